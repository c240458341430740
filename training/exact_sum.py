"""Sums of customers' gradients in whole numbers: exact, so that nobody's part depends on who else is there.

Floating point rounds a sum by everything that is in it. A server can choose parameters under which gradients
cancel, and what is rounded then grows beyond the bound of one customer. Here each customer's factors are put
on a binary grid for themselves; products of numbers on it are whole multiples of one step, and float64 adds up
BATCH of them without rounding, in whatever order and with whatever instructions a matrix product takes. What
a batch adds up to goes into 64-bit integers. (Splitting factors so that products are exact: Ozaki et al. 2012.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

COARSE_BITS = 40  # steps of the coarse part in the clip norm's power of two
FINE_BITS = 22  # by how much the steps of the fine part are smaller
FACTOR_BITS = 20  # steps of a customer's coefficients in the power of two above their norm
BATCH = 512  # customers of one matrix product
RANGE = 4.0  # clip norms that an entry of one customer may reach before parts of a gradient cancel: 2^2
MASS = 256.0  # the same for sums over the items of a row of the table
CARRY_BITS = 20  # of a sum that are kept apart from the bits above them
COLUMNS = 512  # of a matrix product at a time: they stay in the processor's cache

# What a batch adds up to is below 2^(41 + 2 + 9) coarse steps and 2^(20 + 21 + 9) fine ones for negatives, exact
# in float64, and below 2^(41 + 8 + 9) for own items: integers hold so many of these before bits are carried.
PRODUCTS, OWN_BATCHES = 1 << 10, 1 << 4


def grid_step(clip_norm: float) -> float:
    """The step of the coarse part: 2^-40 of the power of two at or below the clip norm."""
    return 2.0 ** (math.floor(math.log2(clip_norm)) - COARSE_BITS)


def factor_steps(norms: Tensor) -> Tensor:
    """The step of coefficients of these L2 norms [B], a power of two each; float64 [B]."""
    exponents = torch.frexp(norms.double()).exponent.clamp(min=-100)
    return torch.ldexp(torch.ones(len(norms), dtype=torch.float64), exponents - FACTOR_BITS)


def on_steps(coefficients: Tensor, steps: Tensor) -> Tensor:
    """Coefficients [B, K], float32, rounded to multiples of their customer's step [B].

    Adding and subtracting 1.5 * 2^23 steps leaves no bits below one step.
    """
    large = (steps * (1.5 * 2.0**23)).float()[:, None]
    return coefficients.add(large).sub_(large)


def split(units: Tensor) -> Tensor:
    """Numbers [n, d] in coarse steps as coarse and fine whole numbers; float64 [n, 2 d]."""
    coarse = units.round()
    return torch.cat([coarse, ((units - coarse) * 2.0**FINE_BITS).round_()], 1)


class WholeSum:
    """A sum of whole numbers in two limbs: int64 of a shape, and what was carried from it.

    room: how many batches `low` holds
    """

    def __init__(self, *shape: int, room: int) -> None:
        self.low = torch.zeros(shape, dtype=torch.int64)
        self.high: Tensor | None = None
        self._room = self._left = room

    def added(self) -> None:
        """One batch has been added to `low`; carries before it could overflow."""
        self._left -= 1
        if not self._left:
            self.carry()

    def carry(self) -> tuple[Tensor, Tensor]:
        """`low` below 2^CARRY_BITS, all else in `high`: sums over many items fit then."""
        carried = self.low >> CARRY_BITS
        self.low &= (1 << CARRY_BITS) - 1
        self.high = carried if self.high is None else self.high + carried
        self._left = self._room
        return self.low, self.high


def values(low: Tensor, high: Tensor, step: float) -> Tensor:
    """What coarse and fine parts in two limbs [n, 2 d] stand for, rounded once; float64 [n, d]."""
    whole = high.double() * 2.0**CARRY_BITS + low
    coarse, fine = whole.chunk(2, dim=1)
    return (coarse + fine * 2.0**-FINE_BITS) * step
