"""Builds that are sound at first: broken in later steps and rounds, and when they are asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.models import rhythm
from recsys.privacy.clipping import clip_rows, on_grid
from recsys.privacy.mechanisms import noised_sum as noised
from recsys.privacy.tally import Assumed
from training import local, node
from training.audit.mutants.registry import Replacement, mutants_of
from training.engine import _NoisingOptimizer
from training.node import Node
from training.spend import _KEY, Reservation, Reserved
from training.spend import spending as spend_under


def later_steps_have_half_the_noise() -> Iterator[Replacement]:
    """Noise decays within a block of steps, as learning rates do; the charge does not know."""
    late, real = [False], local.tower_gradient

    def tower_gradient(*args: Any) -> Any:
        late[0] = args[-1].used > 0
        return real(*args)

    def add_noise(self: _NoisingOptimizer) -> None:
        for parameter in self.params:
            drawn = self.noise.normal(tuple(parameter.shape), self.noise_multiplier * self.max_grad_norm)
            drawn *= 0.5 if late[0] else 1.0
            parameter.grad = (torch.from_numpy(drawn) + parameter.summed_grad).float()

    yield local, "tower_gradient", tower_gradient
    yield _NoisingOptimizer, "add_noise", add_noise


def later_steps_count_twice() -> Iterator[Replacement]:
    """From the second step of a block on gradients are added to those of the first, and so count twice."""
    late, real, take = [False], local.tower_gradient, _NoisingOptimizer.take

    def tower_gradient(*args: Any) -> Any:
        late[0] = args[-1].used > 0
        return real(*args)

    yield local, "tower_gradient", tower_gradient
    yield _NoisingOptimizer, "take", lambda self, total: take(self, total * 2 if late[0] else total)


def later_rounds_of_sums_have_half_the_noise() -> Iterator[Replacement]:
    """A sum that was released before needs less noise, as somebody thought."""
    number, release = [0], Node.release

    def numbered(self: Node, request: Any, block: Any = None) -> Any:
        number[0] = request.number("round")
        return release(self, request, block)

    def noised_sum(total: NDArray[Any], *args: Any) -> NDArray[np.float32]:
        values = noised(total, *args)
        return ((values + total) / 2).astype(np.float32) if number[0] else values

    yield Node, "release", numbered
    yield local, "noised_sum", noised_sum


def rhythms_are_clipped_at_their_start_alone() -> Iterator[Replacement]:
    """Gradients were seen to be short where parameters start, so that later rounds clip at ten times that."""
    real = rhythm.Examples.contribution

    def contribution(self: rhythm.Examples, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        if not moved.any():
            return real(self, moved)
        total = np.zeros(rhythm.LENGTH)
        with np.errstate(all="ignore"):
            for rows in self._parts():
                total += on_grid(clip_rows(rows.gradients(moved) / rhythm.SCALE, 10.0)).sum(axis=0)
        return total

    yield rhythm.Examples, "contribution", contribution


def asked_twice_charged_once() -> Iterator[Replacement]:
    """A retry of a request is not charged again, though its noise is drawn anew."""
    asked, charged, release, real = list[Any](), dict[object, int](), Node.release, spend_under

    def noted(self: Node, request: Any, block: Any = None) -> Any:
        asked[:] = [request.number(name) for name in ("attempt", "round")]
        return release(self, request, block)

    @contextmanager
    def spending(ledger: Any, charge: Any) -> Iterator[Reservation]:
        key = (ledger.where, charge.run_id, charge.mechanism, *asked)
        if key in charged:
            assumed = Assumed(charge.event, charge.clip_norm)
            reserved = Reserved(charge.mechanism, 1, charge.plan_fingerprint, assumed)
            yield Reservation(ledger, charged[key], reserved, 0, _KEY)
            return
        with real(ledger, charge) as reservation:
            charged[key] = reservation.row
            yield reservation

    yield Node, "release", noted
    yield node, "spending", spending


def steps_are_not_claimed() -> Iterator[Replacement]:
    """What was released is known from the state that a coordinator sends along, which may be an old one."""
    yield node, "claim", lambda *_: 0


MUTANTS = mutants_of(
    later_steps_have_half_the_noise,
    later_steps_count_twice,
    later_rounds_of_sums_have_half_the_noise,
    rhythms_are_clipped_at_their_start_alone,
    asked_twice_charged_once,
    steps_are_not_claimed,
)
