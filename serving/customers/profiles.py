"""This silo's customers in memory: their consent, and their histories with what they have just done."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from hashlib import blake2b
from heapq import nsmallest
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.history import Histories, Ordering

TELLING = 10
"""Events from which a history says something on a page."""


class Consent(IntFlag):
    """What a customer consented to."""

    NOTHING = 0
    TRAINING = 1
    PERSONALISATION = 2


@dataclass(frozen=True)
class Arrival:
    """One new event of a customer in the form of a history: vocabulary index, time, event code, units."""

    item: int
    time: int
    event: int
    quantity: float


class Profiles:
    """Histories of the customers who consented to personalisation; consent of all of them.

    Base histories are columns shared by all customers; a customer with new events gets a merged copy of the
    own rows. Only the event loop touches this object, so an answer never sees half an update.
    """

    def __init__(self, dataset: Dataset, consents: Mapping[str, Consent]) -> None:
        self._base = dataset.histories
        self._ids = dataset.customer_ids
        self._positions = {customer: row for row, customer in enumerate(dataset.customer_ids)}
        self._consents = consents
        self._merged: dict[str, Histories] = {}

    def consent(self, customer_id: str) -> Consent | None:
        """What the customer consented to; None for a customer this silo does not know."""
        return self._consents.get(customer_id)

    def customers(self) -> list[str]:
        """All that this silo knows, by id, whatever they consented to."""
        return sorted(self._consents)

    def history(self, customer_id: str) -> Histories:
        """The events of one customer who consented to personalisation (KeyError otherwise), oldest first."""
        merged = self._merged.get(customer_id)
        return merged if merged is not None else _one(self._base, self._positions[customer_id])

    def page(self, after: str | None, count: int) -> tuple[list[str], Histories]:
        """The next customers by id after one (None: the first ones), and the histories of these."""
        start = 0 if after is None else bisect_right(self._ids, after)
        ids = list(self._ids[start : start + count])
        return ids, joined([self.history(one) for one in ids]) if ids else self._base.select(NOBODY)

    def add(self, customer_id: str, arrivals: Sequence[Arrival]) -> None:
        """Merge new events into a customer's history, by time; later arrivals last among equals."""
        self._merged[customer_id] = merge(self.history(customer_id), arrivals)

    def sample(self, limit: int) -> list[str]:
        """Customers for the demo page: of those with some history, the first by a mix of their ids, and two
        without consent.

        One customer more takes one place and leaves the order of the others as it is.
        """
        lengths = np.diff(self._base.offsets)
        quiet = {one: lengths[row] < TELLING for one, row in self._positions.items()}
        shown = nsmallest(limit, self._positions, key=lambda one: (quiet[one], mixed(one)))
        without = (one for one in self._consents if one not in self._positions)
        return shown + nsmallest(2, without, key=mixed)

    @property
    def ordering(self) -> Ordering:
        """What the order of all these histories is known from."""
        return self._base.ordering


def consents_of(customers: pa.Table) -> dict[str, Consent]:
    """Every customer's consent, from the silo's checked customers table."""
    training = np.asarray(customers["consent_training"].to_pylist(), dtype=np.bool_)
    personal = np.asarray(customers["consent_personalisation"].to_pylist(), dtype=np.bool_)
    flags = training * int(Consent.TRAINING) + personal * int(Consent.PERSONALISATION)
    kinds = [Consent(value) for value in range(4)]
    ids = customers["customer_id"].to_pylist()
    return {customer: kinds[flag] for customer, flag in zip(ids, flags.tolist(), strict=True)}


def mixed(customer_id: str) -> bytes:
    """A key that sorts customers as if shuffled, the same in every process, by their own ids alone."""
    return blake2b(customer_id.encode(), digest_size=8).digest()


N = TypeVar("N", bound=np.generic)

NOBODY = np.zeros(0, np.int64)
_COLUMNS = ("items", "times", "events", "quantities")


def _one(histories: Histories, position: int) -> Histories:
    start, stop = histories.offsets[position : position + 2]
    columns = {name: getattr(histories, name)[start:stop] for name in _COLUMNS}
    return replace(histories, offsets=np.array([0, stop - start], np.int64), **columns)


def joined(histories: Sequence[Histories]) -> Histories:
    """The histories of several customers (at least one) as one."""
    lengths = np.concatenate([np.diff(one.offsets) for one in histories])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in histories]) for name in _COLUMNS
    }
    return replace(
        histories[0], offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), **columns
    )


def merge(history: Histories, arrivals: Sequence[Arrival]) -> Histories:
    """The history of one customer with more events, by time; the new ones last among equals."""
    times = _joined(history.times, [one.time for one in arrivals])
    order = np.argsort(times, kind="stable")
    return replace(
        history,
        offsets=np.array([0, len(times)], np.int64),
        items=_joined(history.items, [one.item for one in arrivals])[order],
        times=times[order],
        events=_joined(history.events, [one.event for one in arrivals])[order],
        quantities=_joined(history.quantities, [one.quantity for one in arrivals])[order],
    )


def _joined(base: NDArray[N], new: Sequence[float]) -> NDArray[N]:
    return np.concatenate([base, np.asarray(new, dtype=base.dtype)])
