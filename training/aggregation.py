"""What the coordinator computes from noised sums: pure numpy, no framework, nothing private."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.errors import TrainingError
from recsys.privacy.plan import PrivacyPlan, ReleasePlan


@dataclass(frozen=True)
class NoisedTotal:
    """The sum of the silos' noised sums (float64 [n]) and the standard deviation of its noise per entry."""

    values: NDArray[np.float64]
    noise_std: float


def total(sums: Sequence[NDArray[np.float32]], release: ReleasePlan) -> NoisedTotal:
    """Add the silos' releases. Each silo drew its own full noise, so variances add: std times sqrt(silos).

    Raises TrainingError where there is none, or where two differ in shape.
    """
    if not sums:
        raise TrainingError(f"no silo released '{release.name}'; check that their data has what it needs")
    return NoisedTotal(add(sums), release.noise_std * float(np.sqrt(len(sums))))


def add(sums: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The sum in float64, in the order given. Raises TrainingError where shapes differ."""
    if len({values.shape for values in sums}) > 1:
        raise TrainingError(f"the silos' sums differ in shape: {sorted({values.shape for values in sums})}")
    added = np.zeros(sums[0].shape)
    for values in sums:
        added += values
    return added


def public_divisor(plan: PrivacyPlan, silos: Iterable[str]) -> float:
    """The expected batch of the silos that answered: sampling rate times registered customers, all public."""
    return sum(plan.expected_batch(silo) for silo in silos)


def mean_gradient(sums: Mapping[str, NDArray[np.float32]], plan: PrivacyPlan) -> NDArray[np.float32]:
    """One step's gradient: the sum of the silos' noised sums over the public divisor.

    The divisor never is the real batch: that would leak its size (Opacus issue 571).
    """
    ordered = [sums[silo] for silo in sorted(sums)]
    return (add(ordered) / public_divisor(plan, sums)).astype(np.float32)


def well_formed(values: NDArray[np.float32], length: int) -> bool:
    """Whether a silo's sum can be used: float32, the expected length, finite everywhere."""
    return values.dtype == np.float32 and values.shape == (length,) and bool(np.isfinite(values).all())
