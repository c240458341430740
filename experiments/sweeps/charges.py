"""What a sweep over real silos would spend in all, told and checked against every cap before it starts.

Guarantee: the planned epsilons compose all trials still to be run, and in a silo's account all that its
ledger was charged for before; each is an upper bound if no trial is interrupted, as redone work is
charged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.sweeps.grid import Trial
from experiments.sweeps.trial import silo_config
from recsys.data.history import Ordering
from recsys.errors import BudgetExceededError, ConfigError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger, Row
from recsys.privacy.ledger_limits import CONFIGURATION
from recsys.privacy.ledger_views import charged_events, events_by_purpose
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.silos.ledger import read_ledger
from recsys.words import counted
from training.config import METRICS
from training.node import EVALUATION, TRAINING
from training.plan import make_plan


@dataclass(frozen=True)
class SiloCharge:
    """One silo: epsilon spent before the sweep and after it, at the delta of its cap."""

    silo: str
    spent: float
    after: float
    cap: float
    delta: float


@dataclass(frozen=True)
class PlannedCharges:
    """All trials of a sweep on one federation: what they cost together, and where each silo's ledger ends.

    person_epsilon: of these trials composed, for the worst-off person, at `delta`
    """

    trials: int
    person_epsilon: float
    delta: float
    max_silos_per_person: int
    silos: tuple[SiloCharge, ...]

    def words(self) -> str:
        """One line for the person who decides."""
        silos = "; ".join(
            f"{s.silo}: spent {s.spent:.3f}, afterwards {s.after:.3f} of {s.cap:g}" for s in self.silos
        )
        return (
            f"{counted(self.trials, 'trial')} will be charged in the silos' ledgers: together person-level "
            f"epsilon {self.person_epsilon:.3f} at delta {self.delta:g}, for one person in up to "
            f"{counted(self.max_silos_per_person, 'silo')} ({silos})"
        )


def planned_charges(trials: Sequence[Trial], *, research_data: bool) -> PlannedCharges:
    """What these trials will be charged; they share one federation.

    Reads the silos' ledgers and configuration, no customer's row. Raises ConfigError, PlanError, LedgerError,
    and BudgetExceededError naming the silo and the cap that the sweep would exceed.
    """
    configs = [silo_config(trial.spec, research_data=research_data) for trial in trials]
    (path,) = {config.federation for config in configs}
    federation = FederationConfig.load(path)
    declared = federation.silo_configs()
    timestamps = any(silo.training_silo().ordering is Ordering.TIMESTAMP for silo in declared)
    public: dict[str, Any] = {
        "registered_customers": {silo.name: silo.registered_customers for silo in declared},
        "max_silos_per_person": federation.max_silos_per_person,
        "timestamps": timestamps,
    }
    catalogue, made = federation.read_catalogue(), dict[str, PrivacyPlan]()
    plans = []
    for config in configs:
        key = config.model_copy(update={"seed": 0}).identity()
        made[key] = made.get(key) or make_plan(config, catalogue, **public)
        plans.append(made[key])
    events = [event for plan in plans for event in plan.events()]
    delta = max(plan.delta for plan in plans)
    by_silo = {silo.name: events for silo in declared}
    return PlannedCharges(
        len(trials),
        accountant.person_epsilon(by_silo, federation.max_silos_per_person, delta),
        delta,
        federation.max_silos_per_person,
        tuple(_account(silo, plans) for silo in declared),
    )


def confirmed(planned: PlannedCharges, *, charge: bool) -> str:
    """The words to show before the start. Raises ConfigError with them if nobody confirmed the charge."""
    if not charge:
        raise ConfigError(f"{planned.words()}; confirm with --charge")
    return planned.words()


def _account(silo: SiloConfig, plans: Sequence[PrivacyPlan]) -> SiloCharge:
    rows = read_ledger(silo).rows() if Ledger.exists(silo.ledger) else ()
    past, caps = charged_events(rows), _caps(silo, rows)
    events, cap = [event for plan in plans for event in plan.events()], caps[None]
    after = accountant.epsilon([*past, *events], cap.delta)
    _refuse_over(silo.name, "", after, cap, len(plans))
    by_purpose = events_by_purpose(rows)
    for purpose, of in ((name, of) for name, of in caps.items() if name is not None):
        total = accountant.epsilon([*by_purpose.get(purpose, ()), *_for_purpose(plans, purpose)], of.delta)
        _refuse_over(silo.name, f" for purpose '{purpose}'", total, of, len(plans))
    spent = accountant.epsilon(past, cap.delta)
    return SiloCharge(silo.name, spent, after, cap.epsilon, cap.delta)


def _refuse_over(silo: str, purpose: str, after: float, cap: Cap, trials: int) -> None:
    if after > cap.epsilon:
        raise BudgetExceededError(
            f"silo '{silo}': {counted(trials, 'trial')} would bring epsilon{purpose} to {after:.4g} at delta "
            f"{cap.delta:g}, over the cap of {cap.epsilon:g}; nothing was charged; sweep fewer cells, fewer "
            "seeds or smaller budgets"
        )


def _caps(silo: SiloConfig, rows: tuple[Row, ...]) -> dict[str | None, Cap]:
    """The caps that will hold at the first charge: a changed configuration's, or else the last one set."""
    told: dict[str | None, float] = {None: silo.epsilon_cap}
    told.update(silo.purpose_caps.items())
    last: dict[str | None, Cap] = {}
    declared: dict[str | None, Cap] = {}
    for row in rows:
        if row.kind == "cap" and row.cap is not None and row.delta is not None:
            purpose = row.details.get("purpose")
            last[purpose] = Cap(row.cap, row.delta)
            if row.details.get("requester") == CONFIGURATION:
                declared[purpose] = last[purpose]
    changed = {name: Cap(epsilon, silo.delta) for name, epsilon in told.items()}
    return last | {name: cap for name, cap in changed.items() if declared.get(name) != cap}


def _for_purpose(plans: Sequence[PrivacyPlan], purpose: str) -> list[PrivacyEvent]:
    return [
        event
        for plan in plans
        for name, event in plan.mechanisms().items()
        if purpose == (EVALUATION if name == METRICS else TRAINING)
    ]
