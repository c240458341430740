"""What really ran, counted by the parts that did it, and held against what was charged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from recsys.errors import PlanError
from recsys.privacy.events import PrivacyEvent

TOLERANCE = 1e-9
# One step in 10^12 has a sample this odd by chance (a normal tail, and room for small samples): far below
# any delta, so that voiding for it tells nothing that delta does not allow.
ODD_SAMPLE = 7.5


class Draw(NamedTuple):
    """Noise that was drawn: standard deviation, and on how many coordinates."""

    std: float
    coordinates: int


class Sample(NamedTuple):
    """Customers that were sampled: each one's chance, out of how many, and how many it hit (both private)."""

    rate: float
    customers: int
    hits: int


class Clip(NamedTuple):
    """Contributions that were bounded: the bound, the largest norm after it, of how many (both private)."""

    bound: float
    largest: float
    customers: int


@dataclass(frozen=True)
class Assumed:
    """What one release was charged as: the event of one step, and the bound of one contribution."""

    event: PrivacyEvent
    clip_norm: float

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on every coordinate."""
        return self.event.noise_multiplier * self.clip_norm


@dataclass
class Tally:
    """The counts of one release, noted by the noise source, the sampler and the clipper themselves.

    Numbers of customers are private: they are compared here and never leave the process. `facts` are the
    same with and without any customer.
    """

    draws: list[Draw] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)

    def check(self, assumed: Assumed, coordinates: int) -> dict[str, Any]:
        """The facts of a release of so many coordinates, if they are what was charged.

        Raises PlanError that says what differs: noise drawn more or less than once for each coordinate, or of
        another standard deviation; a sample at another rate, or none, or one that is no Poisson sample's
        size; a contribution above its bound.
        """
        for differs, words in self._differences(assumed, coordinates):
            if differs:
                raise PlanError(f"what ran is not what was charged: {words}")
        return {
            "noise_std": assumed.noise_std,
            "noise_draws": len(self.draws),
            "coordinates": coordinates,
            "sampling_rate": assumed.event.sampling_rate,
            "samples": len(self.samples),
            "clip_norm": assumed.clip_norm,
        }

    def _differences(self, assumed: Assumed, coordinates: int) -> list[tuple[bool, str]]:
        noised, rate = sum(draw.coordinates for draw in self.draws), assumed.event.sampling_rate
        needed = 0 if rate == 1.0 and not self.samples else 1
        return [
            (noised != coordinates, f"noise on {noised} coordinates of {coordinates}"),
            (
                any(not same_number(draw.std, assumed.noise_std) for draw in self.draws),
                f"noise of another standard deviation than {assumed.noise_std:.6g}",
            ),
            (len(self.samples) != needed, f"{len(self.samples)} samples in a step, {needed} charged"),
            (
                any(not same_number(sample.rate, rate) for sample in self.samples),
                f"a sample at another rate than {rate:.6g}",
            ),
            (any(map(_odd, self.samples)), "a sample whose size no Poisson sample has"),
            (not self.clips, "contributions that nobody bounded"),
            (
                any(not same_number(clip.bound, assumed.clip_norm) for clip in self.clips)
                or any(not clip.largest <= clip.bound * (1 + 1e-6) for clip in self.clips),
                f"contributions not bounded by {assumed.clip_norm:.6g}",
            ),
            (self._more_clipped_than_sampled(), "more customers in the sum than were sampled"),
        ]

    def _more_clipped_than_sampled(self) -> bool:
        hits = sum(sample.hits for sample in self.samples)
        return bool(self.samples) and sum(clip.customers for clip in self.clips) > hits


def same_number(ran: float, charged: float) -> bool:
    """Whether two numbers are one, apart from rounding."""
    return math.isclose(ran, charged, rel_tol=TOLERANCE)


def _odd(sample: Sample) -> bool:
    mean = sample.rate * sample.customers
    spread = math.sqrt(mean * (1.0 - sample.rate))
    return abs(sample.hits - mean) > ODD_SAMPLE * spread + ODD_SAMPLE**2
