"""What to do about a due item: stock up while it is cheap, or take another where it is sold out."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.data.checks import MOST_UNITS
from recsys.data.history import SECONDS_PER_DAY
from serving.replenishment.calendar import as_date, local_days

OFFER = 0.9  # of the public list price, or less
LONGEST_GAP, LEAST_PURCHASES, LIKELY = 45.0, 3, 0.5


def stock_up(
    *,
    price: float | None,
    list_price: float,
    units: NDArray[np.float32],
    last: int,
    expected: int,
    chance: float,
    now: int,
    timezone: str,
) -> dict[str, Any] | None:
    """Buying two at once, where the silo's price is 10 % below the public list price and the rhythm allows.

    units: of the customer's own purchases, at least 3 of them; last, expected: the latest purchase and the
    next, Unix seconds, at most 45 days apart; chance: of a need within 30 days, at least one half. None
    otherwise, and where a price is unknown: no advice is made up. Prices are those that everybody sees.
    """
    gap = (expected - last) / SECONDS_PER_DAY
    if price is None or not price <= OFFER * list_price:  # an unknown list price is NaN
        return None
    if len(units) < LEAST_PURCHASES or not 0.0 < gap <= LONGEST_GAP or chance < LIKELY:
        return None
    usual = float(np.median(units))
    if not usual <= MOST_UNITS:
        return None
    buy = 2 * max(1, round(usual))
    until = as_date(int(local_days(np.array([max(now, expected) + 2 * (expected - last)]), timezone)[0]))
    return {
        "buy": buy,
        "price": price,
        "list_price": round(list_price, 2),
        "lasts_until": until,
        "text": f"{price:.2f} instead of {list_price:.2f}: {buy} would last you until about {spelled(until)}",
    }


def substitute(bundle: Bundle, item: int, allowed: NDArray[np.bool_]) -> tuple[int, float] | None:
    """The allowed item of the same category whose vector points most nearly the same way, and the cosine.

    allowed: bool [n_items]. Ties go to the more popular item. None where the category is unknown or has none.
    """
    codes, names = bundle.catalogue.category_codes
    if not names[codes[item]]:
        return None
    others = np.flatnonzero(allowed & (codes == codes[item]))
    others = others[others != item]
    if not len(others):
        return None
    vectors, own = bundle.vectors[others].astype(np.float64), bundle.vectors[item].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(own)
    cosine = vectors @ own / np.where(lengths > 0.0, lengths, 1.0)
    best = int(np.lexsort((-bundle.log_popularity[others], -cosine))[0])
    return int(others[best]), float(cosine[best])


def spelled(day: date) -> str:
    """A day in words: '9 March'."""
    return f"{day.day} {day:%B}"
