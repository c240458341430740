"""What may leave a silo: one table, deny by default. `training.messages` encodes nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from recsys.errors import PlanError


class Leaves(StrEnum):
    """How a field may leave a silo.

    public:  a function of configuration and of past plans alone, identical with and without any customer
    sealed:  public apart from wall-clock times and digests under a key that stays in the silo, which nobody
             without the key can tell from random numbers
    noised-and-charged: differentially private, reserved in the silo's ledger before it was drawn
    refused: never leaves
    """

    PUBLIC = "public"
    SEALED = "sealed"
    NOISED = "noised-and-charged"
    REFUSED = "refused"


TEXTS = frozenset({Leaves.PUBLIC, Leaves.SEALED})
SUMS = frozenset({Leaves.NOISED})


@dataclass(frozen=True)
class Declared:
    """One field of a silo's replies: how it may leave, and why that is safe (or why it is refused)."""

    name: str
    leaves: Leaves
    why: str


_TABLE = (
    Declared("silo", Leaves.PUBLIC, "the silo's name, registered before any data is read"),
    Declared("stage", Leaves.PUBLIC, "echo of the request"),
    Declared("round", Leaves.PUBLIC, "echo of the request"),
    Declared(
        "status",
        Leaves.PUBLIC,
        "'ok' or one of seven codes, the same for all data that keep the contract; texts stay in the silo",
    ),
    Declared("plan", Leaves.PUBLIC, "fingerprint of the privacy plan, which is made from public constants"),
    Declared("registered_customers", Leaves.PUBLIC, "a constant of silo.toml, not a count of the data"),
    Declared("ordering", Leaves.PUBLIC, "which columns the interactions have; no customer changes it"),
    Declared("areas", Leaves.PUBLIC, "names in the silo's stores table; no customer changes it"),
    Declared("carried", Leaves.PUBLIC, "which items are in the silo's items table; no customer changes it"),
    Declared(
        "epsilon_left", Leaves.PUBLIC, "the silo's cap less what its ledger holds; functions of past plans"
    ),
    Declared(
        "events",
        Leaves.PUBLIC,
        "all events in the silo's ledger, with runs' ids and plans as coordinators sent them; all public",
    ),
    Declared(
        "receipts", Leaves.SEALED, "ledger rows of this run: functions of the plan, times, chained digests"
    ),
    Declared(
        "ledger_head", Leaves.SEALED, "the last link of the ledger's chain, so that a cut tail is seen later"
    ),
    Declared("noised_sum", Leaves.NOISED, "a clipped sum with the plan's noise, charged before it was drawn"),
    Declared("num_examples", Leaves.REFUSED, "the number of customers is private under add-or-remove"),
    Declared("batch_size", Leaves.REFUSED, "the size of a Poisson batch is private"),
    Declared("loss", Leaves.REFUSED, "computed from customers without noise"),
    Declared("metrics", Leaves.REFUSED, "exact figures; evaluation leaves as a noised sum, charged"),
    Declared("clipped_fraction", Leaves.REFUSED, "computed from customers without noise"),
    Declared("seconds", Leaves.REFUSED, "the time of a step follows the size of its batch"),
    Declared("error_text", Leaves.REFUSED, "exception texts can name customers"),
    Declared("customer_id", Leaves.REFUSED, "names a customer"),
)

EGRESS: dict[str, Declared] = {field.name: field for field in _TABLE}


class Status(StrEnum):
    """All that the coordinator learns about how a silo fared."""

    OK = "ok"
    PLAN_REFUSED = "plan-refused"
    BUDGET_EXCEEDED = "budget-exceeded"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    APPROVAL_REQUIRED = "approval-required"
    CATALOGUE_DIFFERS = "catalogue-differs"
    VOID_RELEASE = "void-release"
    FAILED = "failed"


def check_egress(names: Iterable[str], allowed: frozenset[Leaves]) -> None:
    """Refuse every field that is not declared to leave in this way. Raises PlanError naming the field."""
    for name in names:
        declared = EGRESS.get(name)
        if declared is None:
            raise PlanError(
                f"field '{name}' is not declared to leave a silo; declare it in training/egress.py"
            )
        if declared.leaves not in allowed:
            raise PlanError(
                f"field '{name}' may not leave like this: it is {declared.leaves} ({declared.why})"
            )
