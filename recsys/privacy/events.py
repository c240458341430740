"""What is accounted: the one description of a mechanism that accountant, plan and ledger share."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.privacy import checks

UNIT = "customer"
RELATION = "add-or-remove-one"


@dataclass(frozen=True, order=True)
class PrivacyEvent:
    """`steps` Gaussian releases, each on a Poisson sample of the customers.

    noise_multiplier: standard deviation of the noise divided by the L2 bound of one customer's contribution
    sampling_rate:    each customer's chance to be in a step, independently; 1.0 is the plain Gaussian
    mechanism
    steps:            how many such releases, with fresh noise and a fresh sample each

    Raises PlanError for anything else than finite positive noise, a rate in (0, 1] and a whole number of
    steps.
    """

    noise_multiplier: float
    sampling_rate: float = 1.0
    steps: int = 1

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "noise_multiplier", checks.positive("noise_multiplier", self.noise_multiplier))
        set_field(self, "sampling_rate", checks.probability("sampling_rate", self.sampling_rate))
        set_field(self, "steps", checks.count("steps", self.steps))
