"""Follow-up needs that silos learned together: which of them one customer has, and their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.models.category_scope import check_excluded
from recsys.models.followup_rules import FollowUp
from recsys.silos.config import SiloConfig
from serving.next_needs.need import NextNeed
from serving.replenishment.calendar import as_date

OFTEN = 0.2
_LAGS = {
    14: "two weeks",
    30: "a month",
    60: "two months",
    90: "three months",
    180: "six months",
    365: "a year",
}


def allowed(rules: Sequence[FollowUp], config: SiloConfig, catalogue: Catalogue) -> tuple[FollowUp, ...]:
    """The rules without what this silo excludes, likeliest first.

    Raises ConfigError for an exclusion that the catalogue lacks.
    """
    check_excluded(config.followups_exclude, catalogue, f"silo '{config.name}': followups_exclude")
    banned = set(config.followups_exclude)
    kept = [rule for rule in rules if not banned & {rule.bought, rule.needed}]
    return tuple(sorted(kept, key=lambda rule: -rule.chance))


def learned_needs(
    rules: Sequence[FollowUp], catalogue: Catalogue, days: NDArray[np.int32], codes: NDArray[np.int32]
) -> Iterator[NextNeed]:
    """What follows a customer's first purchase of a category, unless it was had shortly before, or since.

    In the order of the rules.

    days, codes: [purchases], the local day and the category of each
    """
    names = catalogue.category_codes[1]
    for rule in rules:
        first = days[codes == names.index(rule.bought)]
        if not len(first):
            continue
        begin = int(first.min())
        if not (days[codes == names.index(rule.needed)] >= begin - rule.until_days).any():
            yield _need(rule, as_date(begin))


def _need(rule: FollowUp, because: date) -> NextNeed:
    start, end = (because + timedelta(days=lag) for lag in (rule.after_days, rule.until_days))
    return NextNeed(rule.needed, because, start, end, "bought", rule.bought, words(rule), rule.chance)


def words(rule: FollowUp) -> str:
    """The rule as a sentence; it says nothing of any customer."""
    how = "often" if rule.chance >= OFTEN else "sometimes"
    return f"Customers who bought {rule.bought} {how} need {rule.needed} {_when(rule)}"


def _when(rule: FollowUp) -> str:
    low, high = (_LAGS.get(days, f"{days} days") for days in (rule.after_days, rule.until_days))
    return f"within {high}" if rule.after_days == 0 else f"{low} to {high} later"
