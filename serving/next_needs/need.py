"""One need that comes up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class NextNeed:
    """A category that is needed from `start` to `end`, local days.

    because: the day it is counted from; kind: date or bought; name: the kind of date, or the category bought
    text: the reason in words; chance: share of those who bought it, where it was learned
    """

    category: str
    because: date
    start: date
    end: date
    kind: str
    name: str
    text: str
    chance: float | None = None
