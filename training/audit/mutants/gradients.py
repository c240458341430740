"""Builds in which one customer's part of a sum is not bounded, or depends on other customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from recsys.features.pairs import recent_items
from recsys.models import popularity
from recsys.privacy.tally import Clip
from training.audit.mutants.registry import Replacement, mutants_of
from training.engine import _Clipper, _NoisingOptimizer
from training.objective import Objective


def no_clip() -> Iterator[Replacement]:
    """Gradients of single customers are added up as they are."""
    real = _Clipper.coefficients

    def coefficients(self: _Clipper, norms: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(real(self, norms))

    yield _Clipper, "coefficients", coefficients


def clip_after_mean() -> Iterator[Replacement]:
    """The batch's mean gradient is clipped, as `clip_grad_norm_` does, instead of each customer's."""
    real = _NoisingOptimizer.add_noise
    yield from no_clip()

    def add_noise(self: Any, *args: Any, **kwargs: Any) -> None:
        customers = _customers_of(self)
        for parameter in self.params:
            norm = float(parameter.summed_grad.norm()) / customers
            parameter.summed_grad *= min(1.0, self.max_grad_norm / max(norm, 1e-30))
        real(self, *args, **kwargs)

    yield _NoisingOptimizer, "add_noise", add_noise


def mean_over_real_batch() -> Iterator[Replacement]:
    """The noised sum is divided by the number of customers in the batch: the usual mean of a loss."""
    real = _NoisingOptimizer.add_noise

    def add_noise(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        for parameter in self.params:
            parameter.grad /= _customers_of(self)

    yield _NoisingOptimizer, "add_noise", add_noise


def _customers_of(optimizer: Any) -> int:
    """How many customers were in the step, from what the clipper noted; 1 if nobody was."""
    clips: list[Clip] = optimizer.noise.tally.clips
    return max(1, sum(clip.customers for clip in clips))


def batch_norm() -> Iterator[Replacement]:
    """Scores are normalised over the batch before the loss."""
    real = Objective.losses

    def losses(self: Objective, score: Any, batch: Any) -> torch.Tensor:
        def normalised(*inputs: Any) -> torch.Tensor:
            scores = score(*inputs)
            if not len(scores):
                return torch.as_tensor(scores)
            spread = (scores.var(0, unbiased=False) + 1.0).sqrt()
            return torch.as_tensor((scores - scores.mean(0)) / spread)

        return real(self, normalised, batch)

    yield Objective, "losses", losses


def big_baskets_count_more() -> Iterator[Replacement]:
    """A customer's k items weigh k to the -1/4 each in popularity, not k to the -1/2: a better estimate."""

    def contribution(h: Any, n_items: int, max_items: int, *_: Any) -> Any:
        sets = recent_items(h, max_items)
        share = np.maximum(sets.lengths, 1) ** -0.25
        return np.bincount(sets.items, np.repeat(share, sets.lengths), n_items).astype(np.float64)

    yield popularity, "contribution", contribution


MUTANTS = mutants_of(no_clip, clip_after_mean, mean_over_real_batch, batch_norm, big_baskets_count_more)
