"""The two kinds of mechanism a plan is made of: a noised sum, and noised gradient steps."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.errors import PlanError
from recsys.privacy import checks
from recsys.privacy.events import PrivacyEvent

RELEASES = ("popularity", "copurchase", "intervals", "rhythm", "season", "followups", "demand", "metrics")
TOWERS = "towers"


@dataclass(frozen=True)
class ReleasePlan:
    """A noised sum: each customer adds a vector of L2 norm at most `clip_norm`.

    rounds: how often each silo releases it, with all customers and fresh noise each time
    """

    name: str
    clip_norm: float
    noise_multiplier: float
    rounds: int = 1

    def __post_init__(self) -> None:
        if self.name not in RELEASES:
            raise PlanError(f"release '{self.name}' is unknown; known are {', '.join(RELEASES)}")
        object.__setattr__(self, "clip_norm", checks.positive(f"{self.name}: clip_norm", self.clip_norm))
        noise = checks.positive(f"{self.name}: noise_multiplier", self.noise_multiplier)
        object.__setattr__(self, "noise_multiplier", noise)
        object.__setattr__(self, "rounds", checks.count(f"{self.name}: rounds", self.rounds))

    @property
    def event(self) -> PrivacyEvent:
        """What all rounds in one silo are accounted as."""
        return self.part(self.rounds)

    def part(self, rounds: int) -> PrivacyEvent:
        """What so many of the rounds are accounted as."""
        return PrivacyEvent(self.noise_multiplier, steps=rounds)

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on each coordinate, in units of the contribution."""
        return self.clip_norm * self.noise_multiplier


@dataclass(frozen=True)
class DpSgdPlan:
    """The towers' noised gradient sums: `steps` Poisson-sampled steps in each silo."""

    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int
    name: str = TOWERS

    def __post_init__(self) -> None:
        object.__setattr__(self, "clip_norm", checks.positive(f"{self.name}: clip_norm", self.clip_norm))
        whole = self.event()
        for field in ("noise_multiplier", "sampling_rate", "steps"):
            object.__setattr__(self, field, getattr(whole, field))

    def event(self, steps: int | None = None) -> PrivacyEvent:
        """What a block of `steps` steps is accounted as (default: all of them)."""
        return PrivacyEvent(self.noise_multiplier, self.sampling_rate, self.steps if steps is None else steps)

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on each coordinate of one silo's clipped sum."""
        return self.clip_norm * self.noise_multiplier
