"""What silos spent before a run."""

from __future__ import annotations

from recsys.privacy.ledger import planned_charge
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.ledger import open_ledger
from training.audit.checks.bench import Bench
from training.config import POPULARITY


def spend_before(world: Bench, plan: PrivacyPlan) -> None:
    """Another run has drawn a popularity from each of the world's silos."""
    for config in world.federation.silo_configs():
        ledger = open_ledger(config)
        charge = planned_charge(
            plan,
            POPULARITY,
            silo=config.name,
            run_id="earlier",
            purpose="training",
            requester="audit",
            approver=None,
            snapshot_hmac="snapshot",
        )
        ledger.commit(ledger.reserve(charge), charge.event.steps)
