"""Every record key of every message, and the only codec: undeclared fields neither leave nor enter a silo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from numpy.typing import NDArray

from recsys.errors import TrainingError
from training.egress import SUMS, TEXTS, Status, check_egress
from training.spend import Released

FIELDS, ARRAYS = "fields", "arrays"
NOISED_SUM = "noised_sum"

HELLO = "query.hello"
RECEIPTS = "query.receipts"
PLACES = "query.places"
POPULARITY = "train.popularity"
INTERVALS = "train.intervals"
COPURCHASE = "train.copurchase"
RHYTHM = "train.rhythm"
SEASON = "train.season"
FOLLOWUPS = "train.followups"
DEMAND = "train.demand"
TOWERS = "train.towers"
METRICS = "train.metrics"

# What the coordinator tells a silo: all of it public, since it comes from configuration or from noised sums.
REQUEST_FIELDS = {
    "stage",
    "round",
    "run_id",
    "attempt",
    "catalogue",
    "requester",
    "approver",
    "plan",
    "fingerprint",
    "settings",
    "block_end",
}
REQUEST_ARRAYS = {"popularity", "parameters", "usual", "vectors", "history_table"}

Scalar = str | int | float


@dataclass(frozen=True)
class Request:
    """What the coordinator asks of one silo."""

    fields: Mapping[str, Scalar]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A text field. Raises TrainingError if the request lacks it."""
        return str(self._get(name))

    def number(self, name: str) -> int:
        """An integer field. Raises TrainingError if the request lacks it."""
        return int(self._get(name))

    def array(self, name: str) -> NDArray[Any]:
        """An array. Raises TrainingError if the request lacks it."""
        if name not in self.arrays:
            raise TrainingError(f"the request lacks the array '{name}'")
        return self.arrays[name]

    def _get(self, name: str) -> Scalar:
        if name not in self.fields:
            raise TrainingError(f"the request lacks the field '{name}'")
        return self.fields[name]


@dataclass(frozen=True)
class Reply:
    """What one silo answered: public fields, and at most one noised sum."""

    fields: Mapping[str, Scalar]
    noised_sum: NDArray[Any] | None = None

    @property
    def status(self) -> str:
        """'ok', or the code of what went wrong in the silo."""
        return str(self.fields.get("status", Status.FAILED))


def encode_request(request: Request) -> RecordDict:
    """The records of a request. Raises TrainingError for a field that no silo knows."""
    unknown = (set(request.fields) - REQUEST_FIELDS) | (set(request.arrays) - REQUEST_ARRAYS)
    if unknown:
        raise TrainingError(f"request field '{sorted(unknown)[0]}' is not one that silos know")
    return _records(request.fields, request.arrays)


def decode_request(message: Message) -> Request:
    """The request in a message. Raises TrainingError for a field that is not known."""
    fields, arrays = _parts(message)
    unknown = (set(fields) - REQUEST_FIELDS) | (set(arrays) - REQUEST_ARRAYS)
    if unknown:
        raise TrainingError(
            f"request field '{sorted(unknown)[0]}' is not known; use the same version everywhere"
        )
    return Request(fields, arrays)


def encode_reply(public: Mapping[str, Scalar], released: Released | None = None) -> RecordDict:
    """The records of a reply.

    Guarantee: every field is declared in `training.egress`; arrays leave only as `Released`, which only a
    reservation in the silo's ledger makes. Raises PlanError for anything else.
    """
    check_egress(public, TEXTS)
    if released is None:
        return _records(public, {})
    check_egress([NOISED_SUM], SUMS)
    return _records(public, {NOISED_SUM: released.values})


def decode_reply(message: Message) -> Reply:
    """The reply in a message; a silo that crashed, or broke the table of fields, counts as failed."""
    if message.has_error():
        return Reply({"status": Status.FAILED})
    fields, arrays = _parts(message)
    check_egress(fields, TEXTS)
    check_egress(arrays, SUMS)
    return Reply(fields, arrays.get(NOISED_SUM))


def _records(fields: Mapping[str, Scalar], arrays: Mapping[str, NDArray[Any]]) -> RecordDict:
    packed = ArrayRecord({name: Array(values) for name, values in arrays.items()})
    return RecordDict({FIELDS: ConfigRecord(dict(fields)), ARRAYS: packed})


def _parts(message: Message) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    content = message.content
    if set(content) != {FIELDS, ARRAYS}:
        raise TrainingError(f"a message has records {sorted(content)}; expected '{ARRAYS}' and '{FIELDS}'")
    fields, arrays = content[FIELDS], content[ARRAYS]
    if not isinstance(fields, ConfigRecord) or not isinstance(arrays, ArrayRecord):
        raise TrainingError(f"a message's records '{FIELDS}' and '{ARRAYS}' have the wrong types")
    return dict(fields), {name: array.numpy() for name, array in arrays.items()}
