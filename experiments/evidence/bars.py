"""A bar of the evidence: one comparison that is asserted and printed from the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "at_most": le,
    "at_least": ge,
    "below": lt,
    "above": gt,
}
FORM = ".6g"


@dataclass(frozen=True)
class Bar:
    """What was measured, its value, and the limits that it keeps; NaN keeps none.

    what: the measured quantity, as it stands in the table; value: its measured value, in that unit
    at_most, at_least, below, above: limits, of which at least one is given

    Raises ValueError without a limit: a bar that cannot be missed is none.
    """

    what: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    below: float | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        if not self._limits():
            raise ValueError(f"bar '{self.what}': no limit; give at_most, at_least, below or above")

    def _limits(self) -> dict[str, float]:
        limits = {name: getattr(self, name) for name in COMPARISONS}
        return {name: float(limit) for name, limit in limits.items() if limit is not None}

    @property
    def holds(self) -> bool:
        """Whether the value keeps all limits."""
        return all(bool(COMPARISONS[name](self.value, limit)) for name, limit in self._limits().items())

    @property
    def words(self) -> str:
        """The limits: 'largest move at least 0.8 and at most 1'."""
        limits = [f"{name.replace('_', ' ')} {limit:{FORM}}" for name, limit in self._limits().items()]
        return f"{self.what} {' and '.join(limits)}"

    @property
    def measured(self) -> str:
        """The value: 'largest move 0.93'."""
        return f"{self.what} {self.value:{FORM}}"

    def to_json(self) -> dict[str, Any]:
        """The fields that are given, as JSON knows them; numpy's numbers become Python's."""
        return {"what": self.what, "value": float(self.value), **self._limits()}
