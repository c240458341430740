"""The follow-up needs that the benchmark plants into simulated worlds, and found rules beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from recsys.models.followup_rules import FollowUp
from recsys.silos.simulator.follow_ups import PlantedFollowUp

PLANTED = (
    PlantedFollowUp("rice", "flour & baking", 3, 12, 0.25),
    PlantedFollowUp("tea", "spreads", 7, 21, 0.25),
    PlantedFollowUp("kitchenware", "cooking oil", 7, 21, 0.4),
    PlantedFollowUp("skin care", "shower gel", 14, 28, 0.3),
    PlantedFollowUp("wine", "kitchen rolls", 14, 28, 0.2),
    PlantedFollowUp("toys", "stationery", 21, 42, 0.3),
    PlantedFollowUp("coffee capsules", "toothpaste", 21, 42, 0.3),
    PlantedFollowUp("dishwasher tablets", "cleaners", 28, 49, 0.3),
    PlantedFollowUp("stationery", "kitchenware", 35, 56, 0.3),
    PlantedFollowUp("detergent", "deodorant", 42, 63, 0.35),
)


@dataclass(frozen=True)
class Found:
    """How many rules were found, how many of them are planted, and how well their days fit.

    precision, recall: None where nothing was found, or nothing planted
    lag_error_days: between the middle of a right rule's window and the middle of when it is wanted
    covers: share of right rules whose window holds that middle
    chance_ratio: found chance over the planted one; below 1, for who had it before counts neither way
    """

    rules: int
    right: int
    precision: float | None
    recall: float | None
    lag_error_days: float | None
    covers: float | None
    chance_ratio: float | None

    @classmethod
    def of(cls, rules: Sequence[FollowUp], planted: Sequence[PlantedFollowUp]) -> Found:
        """Compare rules with the truth."""
        known = {(rule.first, rule.second): rule for rule in planted}
        right = [(rule, known[key]) for rule in rules if (key := (rule.bought, rule.needed)) in known]
        middles = [(true.after_days + true.until_days) / 2 for _, true in right]
        windows = [(rule.after_days, rule.until_days) for rule, _ in right]
        both = list(zip(windows, middles, strict=True))
        return cls(
            len(rules),
            len(right),
            len(right) / len(rules) if rules else None,
            len(right) / len(planted) if planted else None,
            fmean(abs((low + high) / 2 - middle) for (low, high), middle in both) if right else None,
            fmean(low < middle <= high for (low, high), middle in both) if right else None,
            fmean(rule.chance / true.chance for rule, true in right) if right else None,
        )
