"""Sums of customers' gradients in whole numbers: exact, so that nobody's part depends on who else is there.

Floating point rounds a sum by everything that is in it. A server can choose parameters under which gradients
cancel, and what is rounded then grows beyond the bound of one customer. Here each customer's factors are put
on a binary grid for themselves; products of numbers on it are whole multiples of one step, and float64 adds
up those of hundreds without rounding, in whatever order and with whatever instructions a matrix product
takes. From there sums go into integers. (Splitting factors so that products are exact: Ozaki et al. 2012.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GRID_BITS = 41  # steps of the grid in the clip norm's power of two
FACTOR_BITS = 21  # steps of a customer's coefficients in the power of two above their norm
RANGE = 3.75  # clip norms that coefficients times embedding may reach: parts of a gradient cancel
OWN_RANGE = 64.0  # the same for the sum over a customer's own items
CUSTOMERS = 1 << 9  # of whom float64 holds the sum: entries of one are at most 2^(42 + 2) steps
OWN_ITEMS = 1 << 14  # of which 64-bit integers hold the sum: entries are at most 2^(42 + 6) steps
MOST_NEGATIVES = 1 << 17  # of one step
FEW = 1 << 10  # customers for whom sums over them fit too: at most 2^(42 + 2 + 8.5) steps of one
CARRY_BITS = 20  # of a sum that are kept apart from the bits above them


def grid_step(clip_norm: float) -> float:
    """The grid's step: 2^-41 of the power of two at or below the clip norm."""
    return 2.0 ** (math.floor(math.log2(clip_norm)) - GRID_BITS)


def factor_steps(norms: Tensor) -> Tensor:
    """The step of coefficients of these L2 norms [B], a power of two each; float64 [B]."""
    exponents = torch.frexp(norms.double()).exponent.clamp(min=-100)
    return torch.ldexp(torch.ones(len(norms), dtype=torch.float64), exponents - FACTOR_BITS)


def put_on_steps(coefficients: Tensor, steps: Tensor) -> None:
    """Round coefficients [B, k], float32, in place to multiples of their customer's step [B].

    Adding and subtracting 1.5 * 2^23 steps leaves no bits below one step.
    """
    large = (steps * (1.5 * 2.0**23)).float()[:, None]
    coefficients.add_(large).sub_(large)


class WholeSum:
    """A sum of whole numbers: int64 of a shape, and what was carried from it before it became too large."""

    def __init__(self, *shape: int) -> None:
        self.low = torch.zeros(shape, dtype=torch.int64)
        self.high: Tensor | None = None

    def carry(self) -> Tensor:
        """Keep in `low` what is below 2^CARRY_BITS, all else in `high`, which it returns."""
        carried = self.low >> CARRY_BITS
        self.low &= (1 << CARRY_BITS) - 1
        self.high = carried if self.high is None else self.high + carried
        return self.high

    def limbs(self, count: int) -> list[Tensor]:
        """The sum as so many numbers: 2, carried once more, or 1, if `low` is known to hold all of it."""
        return [self.low] if count == 1 else [self.low, self.carry()]


def value(limbs: list[Tensor], step: float) -> Tensor:
    """What limbs stand for, in so large steps; float64 of their shape."""
    low, *high = limbs
    return (high[0].double() * 2.0**CARRY_BITS + low if high else low.double()) * step
