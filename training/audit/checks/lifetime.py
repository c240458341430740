"""What a run's statement says of the ledgers' lifetimes, against the silos' own ledgers."""

from __future__ import annotations

import json

from recsys.privacy.budget import budget_report
from recsys.silos.ledger import open_ledger
from training.audit.checks.published import whole_run
from training.audit.finding import Finding
from training.settle import SPENT, STATEMENT

ROUNDING = 1e-6
SHOWN = {STATEMENT: "epsilon", SPENT: "person_epsilon_lifetime"}


def lifetime_of_a_run() -> list[Finding]:
    """A run after an earlier one: what it says of a person is no less than the silos' ledgers say of both."""
    run = whole_run()
    federation = run.world.federation
    ledgers = {config.name: open_ledger(config) for config in federation.silo_configs()}
    found = list[Finding]()
    for name, field in SHOWN.items():
        (path,) = (path for path in run.folder.rglob(name) if path.parent != run.bundle)
        shown = json.loads(path.read_bytes())
        most, delta = shown["max_silos_per_person"], shown["delta"]
        spent = budget_report(ledgers, max_silos_per_person=most, delta=delta).person_epsilon
        words = f"{name}: epsilon {shown[field]:.4f} is said; by the silos' ledgers it is {spent:.4f}"
        found.append(Finding("lifetime", shown[field] >= spent * (1 - ROUNDING), shown[field], spent, words))
    return found
