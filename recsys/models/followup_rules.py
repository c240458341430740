"""Follow-ups as they are published: after one category, another one within some days, with a chance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from recsys.errors import BundleError

KEY = "follow_ups"


@dataclass(frozen=True)
class FollowUp:
    """Customers who buy `bought` for the first time need `needed` some days later.

    after_days, until_days: the lag is above the first and up to the second
    chance: share of those customers who take `needed` up then because of it; error: its standard error
    """

    bought: str
    needed: str
    after_days: int
    until_days: int
    chance: float
    error: float

    def __post_init__(self) -> None:
        sound = 0 <= self.after_days < self.until_days and 0.0 < self.chance <= 1.0 and self.error >= 0.0
        if not (sound and isfinite(self.error) and self.bought and self.needed != self.bought):
            raise BundleError(
                f"follow-up {self} is none: lags, chance or categories; publish the model again"
            )


def to_fields(rules: Sequence[FollowUp]) -> dict[str, Any]:
    """The rules as the fields of a JSON object."""
    return {KEY: [asdict(rule) for rule in rules]}


def from_fields(fields: Mapping[str, Any], categories: Collection[str], where: str) -> tuple[FollowUp, ...]:
    """The rules in a JSON object. Raises BundleError naming the file and what is wrong with it."""
    try:
        rules = tuple(FollowUp(**found) for found in fields[KEY])
    except (KeyError, TypeError) as error:
        raise BundleError(f"{where}: not a list of follow-ups ({error}); publish the bundle again") from None
    for rule in rules:
        for name in (rule.bought, rule.needed):
            if name not in categories:
                raise BundleError(f"{where}: category {name!r} is not in the catalogue; publish it again")
    return rules
