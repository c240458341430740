"""What privacy tests are built from. `FixedNoise` is here because the product cannot replay noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Charge
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan

DELTA = 1e-6


class FixedNoise(SecureNoise):
    """Noise that repeats, for tests that compare two worlds under the same draws."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = np.random.default_rng(seed)

    def _bytes(self, n: int) -> bytes:
        return self._generator.bytes(n)


def make_plan(**changes: Any) -> PrivacyPlan:
    """A plan with round numbers, not calibrated: about epsilon 4.6 for a person in two silos."""
    fields: dict[str, Any] = {
        "target_epsilon": 8.0,
        "delta": DELTA,
        "max_silos_per_person": 2,
        "registered_customers": {"north": 1000, "south": 3000},
        "releases": (
            ReleasePlan("popularity", 1.0, 8.0),
            ReleasePlan("copurchase", 0.5, 4.0),
            ReleasePlan("intervals", 1.0, 8.0),
        ),
        "dpsgd": DpSgdPlan(clip_norm=0.3, noise_multiplier=1.1, sampling_rate=0.05, steps=60),
    }
    return PrivacyPlan(**{**fields, **changes})


def make_charge(event: PrivacyEvent | None = None, **changes: Any) -> Charge:
    """A charge of silo 'north', by default one plain Gaussian release of noise multiplier 4."""
    fields: dict[str, Any] = {
        "silo": "north",
        "run_id": "run-1",
        "purpose": "training",
        "mechanism": "popularity",
        "event": event or PrivacyEvent(4.0),
        "delta": DELTA,
        "clip_norm": 1.0,
        "divisor": None,
        "plan_fingerprint": "f" * 64,
        "snapshot_hmac": "a" * 64,
        "requester": "ana",
    }
    return Charge(**{**fields, **changes})
