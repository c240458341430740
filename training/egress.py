"""What may leave a silo: one table, deny by default. `training.messages` encodes nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from recsys.errors import PlanError


class Leaves(StrEnum):
    """How a field may leave a silo."""

    PUBLIC = "public"
    NOISED = "noised-and-charged"
    REFUSED = "refused"


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
        "status", Leaves.PUBLIC, "'ok' or one of five codes without content; texts stay in the silo's own log"
    ),
    Declared("plan", Leaves.PUBLIC, "fingerprint of the privacy plan, which is made from public constants"),
    Declared("registered_customers", Leaves.PUBLIC, "a constant of silo.toml, not a count of the data"),
    Declared("receipt", Leaves.PUBLIC, "which events of the plan were charged; functions of the plan alone"),
    Declared("events", Leaves.PUBLIC, "all events in the silo's ledger; functions of past plans alone"),
    Declared(
        "noised_sum",
        Leaves.NOISED,
        "a clipped sum with the plan's noise, reserved in the ledger before the draw",
    ),
    Declared("num_examples", Leaves.REFUSED, "the number of customers is private under add-or-remove"),
    Declared("batch_size", Leaves.REFUSED, "the size of a Poisson batch is private"),
    Declared("loss", Leaves.REFUSED, "computed from customers without noise"),
    Declared("metrics", Leaves.REFUSED, "evaluation on private data is a release and must be charged"),
    Declared("clipped_fraction", Leaves.REFUSED, "computed from customers without noise"),
    Declared("seconds", Leaves.REFUSED, "the time of a step follows the size of its batch"),
    Declared("error_text", Leaves.REFUSED, "exception texts can name customers"),
    Declared("customer_id", Leaves.REFUSED, "names a customer"),
    Declared(
        "ledger_head", Leaves.REFUSED, "a hash over the data snapshot's digest; auditors read it in the silo"
    ),
)

EGRESS: dict[str, Declared] = {field.name: field for field in _TABLE}


class Status(StrEnum):
    """All that the coordinator learns about how a silo fared."""

    OK = "ok"
    PLAN_REFUSED = "plan-refused"
    BUDGET_EXCEEDED = "budget-exceeded"
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    NOT_SUPPORTED = "not-supported"
    FAILED = "failed"


def check_egress(names: Iterable[str], allowed: Leaves) -> None:
    """Refuse every field that is not declared to leave in this way. Raises PlanError naming the field."""
    for name in names:
        declared = EGRESS.get(name)
        if declared is None:
            raise PlanError(
                f"field '{name}' is not declared to leave a silo; declare it in training/egress.py"
            )
        if declared.leaves is not allowed:
            raise PlanError(
                f"field '{name}' may not leave a silo as {allowed}: {declared.leaves} ({declared.why})"
            )
