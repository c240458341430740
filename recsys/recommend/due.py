"""What is due for customers: the model's needs, less what they turned down, and what their devices report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, EventType, Histories
from recsys.data.vocab import Catalogue
from recsys.features.pairs import group_pairs
from recsys.models.replenishment import HORIZONS, IntervalModel, Needs

CLOCK_SKEW = 300
"""Seconds that an event may lie ahead of the moment of the question; later ones have not happened yet."""

NO_SIGNAL = -1
_PURCHASE, _CART = EventType.PURCHASE.code, EventType.CART.code
_AWAY = (EventType.RETURN.code, EventType.DISMISS.code)
_DEVICE = (EventType.EMPTY.code, EventType.EXPIRED.code)
_DECLINE = EventType.DECLINE.code
_SPECIAL = np.isin(np.arange(len(EventType)), [*_AWAY, *_DEVICE, _DECLINE])
_SAYS = {EventType.EMPTY.code: "empty", EventType.EXPIRED.code: "expired"}


@dataclass(frozen=True)
class Standing:
    """What the latest events of (customer, item) pairs say; only pairs with more than purchases and visits.

    customers: int64 [pairs]; items: int32 [pairs], ascending within a customer
    silent: bool [pairs], not to be reminded of
    gone:   bool [pairs], returned or dismissed and not bought since
    signal: int64 [pairs], code of the device event that makes the item due now, else NO_SIGNAL; at: its time
    asked:  bool [pairs], whether "order again?" waits for an answer
    """

    customers: NDArray[np.int64]
    items: NDArray[np.int32]
    silent: NDArray[np.bool_]
    gone: NDArray[np.bool_]
    signal: NDArray[np.int64]
    at: NDArray[np.int64]
    asked: NDArray[np.bool_]


@dataclass(frozen=True)
class DueItems:
    """Needs with, for each pair, the device event behind it (or NO_SIGNAL) and if its question is open."""

    needs: Needs
    signal: NDArray[np.int64]
    asked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.needs)

    def where(self, keep: NDArray[np.bool_]) -> DueItems:
        """Only these pairs; bool [pairs]."""
        return DueItems(self.needs.where(keep), self.signal[keep], self.asked[keep])

    def within(self, now: int, days: float, least: float | None = None) -> NDArray[np.bool_]:
        """Which pairs are due: expected within so many days (overdue ones too); bool [pairs].

        least: instead, those with at least this chance within the shortest of HORIZONS that covers the days
        """
        if least is not None:
            return np.asarray(self.chance(days) >= least)
        return np.asarray(self.needs.expected <= now + days * SECONDS_PER_DAY)

    def chance(self, days: float) -> NDArray[np.float64]:
        """Of a need within the shortest of HORIZONS that covers so many days, or the longest; [pairs]."""
        place = min(int(np.searchsorted(HORIZONS, days)), len(HORIZONS) - 1)
        return self.needs.chances[:, place]


def standing(h: Histories) -> Standing:
    """Where pairs stand; an event of any kind counts from its place in the customer's order of events.

    Returned or dismissed: silent until bought again. Declined: silent until bought again, or a device reports
    again. A device's "empty" or "expired": due now until bought or declined, and asked about until an answer:
    the item in the cart (yes), declined (no), or bought.
    """
    special = _SPECIAL[h.events]
    if not special.any():
        none, no = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Standing(none, none.astype(np.int32), no, no, none, none, no)
    size = int(h.items.max()) + 1
    keys = h.rows * size + h.items
    kept = h.where(np.isin(keys, np.unique(keys[special])))
    rows = kept.rows
    order, starts = group_pairs(rows, kept.items)
    events = kept.events[order]

    def latest(*codes: int) -> NDArray[np.int64]:
        return np.maximum.reduceat(np.where(np.isin(events, codes), np.arange(len(events)), -1), starts)

    bought, away, declined = latest(_PURCHASE), latest(*_AWAY), latest(_DECLINE)
    device, cart = latest(*_DEVICE), latest(_CART)
    gone = away > bought
    reports = (device > np.maximum(bought, declined)) & ~gone
    first = order[starts]
    return Standing(
        customers=rows[first],
        items=kept.items[first],
        silent=gone | (declined > np.maximum(bought, device)),
        gone=gone,
        signal=np.where(reports, events[device], NO_SIGNAL).astype(np.int64),
        at=np.where(reports, kept.times[order][device], 0),
        asked=reports & (device > cart),
    )


def due_items(model: IntervalModel, h: Histories, now: int) -> DueItems:
    """What customers need again: the model's needs, what they turned down left out, device signals put in.

    A device's signal makes its item due at the signal's time with certainty, whether or not the customer ever
    bought it here. Events later than `now` (and CLOCK_SKEW) are not read: they have not happened.
    now: Unix seconds, past or future. Raises OrderingError without timestamps.
    """
    h = past(h, now)
    needs, stands = model.needs(h, now), standing(h)
    found = DueItems(needs, np.full(len(needs), NO_SIGNAL), np.zeros(len(needs), np.bool_))
    if not len(stands.items):
        return found
    size = max(int(found.needs.items.max(initial=0)), int(stands.items.max())) + 1
    keys, special = needs.customers * size + needs.items, stands.customers * size + stands.items
    reported = stands.signal != NO_SIGNAL
    found = found.where(~np.isin(keys, special[stands.silent | reported]))
    return _joined(found, _reported(needs, stands, keys, special, reported), size)


def past(h: Histories, now: int) -> Histories:
    """Without what has not happened yet at a moment (Unix seconds), but for a small skew of clocks."""
    return h.where(h.times <= now + CLOCK_SKEW)


def bases(found: DueItems, catalogue: Catalogue) -> tuple[NDArray[np.int64], list[str]]:
    """What each pair's expectation rests on: int64 [pairs], positions in the list of texts."""
    codes, categories = catalogue.category_codes
    texts = [f"typical for {name}" if name else "typical for such items" for name in categories]
    device = {code: len(texts) + place for place, code in enumerate(_SAYS)}
    texts += [f"your device reports it {word}" for word in _SAYS.values()]
    many = int(found.needs.purchases.max(initial=0))
    own = len(texts) - 2
    texts += [f"your own {count} purchases" for count in range(2, many + 1)]
    basis = np.where(found.needs.purchases > 1, own + found.needs.purchases, codes[found.needs.items])
    for code, place in device.items():
        basis[found.signal == code] = place
    return basis.astype(np.int64), texts


def _reported(
    needs: Needs,
    stands: Standing,
    keys: NDArray[np.int64],
    special: NDArray[np.int64],
    reported: NDArray[np.bool_],
) -> DueItems:
    """A row for each device signal; purchases and the last one are taken from the pair's need, if any."""
    customers, items, at = stands.customers[reported], stands.items[reported], stands.at[reported]
    place = np.searchsorted(keys, special[reported])
    known = np.append(keys, -1)[place] == special[reported]
    purchases = np.where(known, np.append(needs.purchases, 0)[place], 0)
    last = np.where(known, np.append(needs.last, 0)[place], at)
    sure = np.ones((len(items), len(HORIZONS)))
    rows = Needs(customers, items, purchases, last, at, at, at, sure)
    return DueItems(rows, stands.signal[reported], stands.asked[reported])


def _joined(one: DueItems, other: DueItems, size: int) -> DueItems:
    names = one.needs.__dataclass_fields__
    columns = {name: np.concatenate([getattr(one.needs, name), getattr(other.needs, name)]) for name in names}
    needs = Needs(**columns)
    order = np.argsort(needs.customers * size + needs.items, kind="stable")
    signal, asked = (np.concatenate([getattr(one, n), getattr(other, n)])[order] for n in ("signal", "asked"))
    return DueItems(
        replace(needs, **{name: column[order] for name, column in columns.items()}), signal, asked
    )
