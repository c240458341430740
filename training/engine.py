"""Differentially private gradients of the towers, by Opacus' ghost clipping. The only import of Opacus.

Wired by hand: `PrivacyEngine.make_private` takes the sampling rate and the divisor from the size of the data,
which a claim for add-or-remove-one cannot allow. Here both are constants of the plan.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import (
    GradSampleModuleFastGradientClipping,
    register_grad_sampler,
    register_norm_sampler,
)
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from torch import Tensor

from recsys.errors import TrainingError
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.privacy.tally import Clip, Tally
from recsys.towers.two_tower import TwoTower
from training.batches import Batch
from training.norm_sampler import gradient_norms
from training.objective import Objective

SUM = "sum"

# Only table entries have gradients here, never inputs: torch says so in every step.
warnings.filterwarnings("ignore", message="Full backward hook is firing")


@dataclass(frozen=True)
class NoisedGradient:
    """values: float32 [rows * embedding_dim], the noised sum of clipped gradients, divided by nothing."""

    values: NDArray[np.float32]


@dataclass(frozen=True)
class Engine:
    """Gradient steps of one model. Nothing is kept between steps, so no step can reach into another.

    objective: the model and what it learns; public.
    max_physical_batch: customers whose scores are in memory at a time; does not change the result.
    """

    objective: Objective
    max_physical_batch: int = 512

    def noised_gradient(
        self,
        parameters: NDArray[np.float32],
        sequences: Sequences,
        plan: DpSgdPlan,
        noise: SecureNoise,
        *,
        rng: np.random.Generator | None = None,
    ) -> NoisedGradient:
        """One step: a Poisson sample of the customers, each one's gradient clipped, added up, noise once.

        parameters: float32 [rows * embedding_dim], from the server. sequences: all customers of the silo, one
        example each. rng: chooses targets and negatives (default: seeded by the operating system), never
        noise and never who is sampled. Raises TrainingError for parameters that are no usable table.

        Guarantee: customer-level, add-or-remove-one, exactly `plan.event(1)`: every customer is in the step
        with chance `plan.sampling_rate`, independently, adds a vector of L2 norm at most `plan.clip_norm`
        that depends on no other customer, and the sum gets Gaussian noise of `plan.noise_std` once, also if
        nobody was sampled. The result's shape does not depend on the data. Sampler, clipper and noise note
        what they did in `noise.tally`.
        """
        tower = self.objective.tower(parameters)
        sampled = noise.poisson_sample(len(sequences), plan.sampling_rate)
        batch = self.objective.batch(sequences, sampled, rng or np.random.default_rng())
        return NoisedGradient(self._step(tower, batch, plan, noise).noised())

    def _step(self, tower: TwoTower, batch: Batch, plan: DpSgdPlan, noise: SecureNoise) -> _NoisingOptimizer:
        clipped = _ClippedTower(tower, plan, noise.tally)
        optimizer = _NoisingOptimizer(tower, plan, noise)
        chunks = [c.padded(self.max_physical_batch) for c in batch.chunks(self.max_physical_batch)]
        for number, chunk in enumerate(chunks, start=1):
            optimizer.signal_skip_step(number < len(chunks))  # noise with the last chunk alone
            losses = self.objective.losses(clipped, chunk)
            if losses.shape != (len(chunk),):
                raise TrainingError(f"losses of shape {list(losses.shape)}: one per customer is needed")
            DPTensorFastGradientClipping(clipped, optimizer, losses, SUM).backward()
            optimizer.pre_step()
        return optimizer


def _norms(tower: TwoTower, activations: Sequence[Tensor], backprops: Tensor) -> dict[Tensor, Tensor]:
    return {tower.table: gradient_norms(tower, activations, backprops)}


def _no_gradients(*_: object) -> NoReturn:
    raise TrainingError("gradients of single customers are never built; keep ghost clipping on")


register_norm_sampler(TwoTower)(_norms)
# Without one Opacus would prepare a slow fallback in every step.
register_grad_sampler(TwoTower)(_no_gradients)


class _ClippedTower(GradSampleModuleFastGradientClipping):  # type: ignore[misc]
    """The hooked module; a gradient that is not finite is clipped to zero. It tallies what it clipped."""

    def __init__(self, tower: TwoTower, plan: DpSgdPlan, tally: Tally) -> None:
        super().__init__(tower, loss_reduction=SUM, max_grad_norm=plan.clip_norm)
        self.tally = tally

    def get_clipping_coef(self) -> Tensor:
        norms: Tensor = self.get_norm_sample()
        coefficients = self.max_grad_norm / norms.clamp(min=self.max_grad_norm)
        coefficients = torch.where(norms.isfinite(), coefficients, 0.0)
        largest = (norms.nan_to_num(0.0, 0.0) * coefficients).max().item() if len(norms) else 0.0
        self.tally.clips.append(Clip(self.max_grad_norm, largest, int((norms != 0.0).sum())))
        return coefficients


class _NoisingOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]
    """Adds up clipped gradients over the chunks of a step and noises the sum, from the secure source."""

    def __init__(self, tower: TwoTower, plan: DpSgdPlan, noise: SecureNoise) -> None:
        super().__init__(
            torch.optim.SGD([tower.table], lr=0.0),  # never stepped: the server has the optimizer
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=plan.clip_norm,
            expected_batch_size=None,
            loss_reduction=SUM,
        )
        self.noise = noise

    def add_noise(self) -> None:
        """Noise and sum are added in float64 and then rounded, as in every other release."""
        for parameter in self.params:
            drawn = self.noise.normal(tuple(parameter.shape), self.noise_multiplier * self.max_grad_norm)
            parameter.grad = (torch.from_numpy(drawn) + parameter.summed_grad).float()

    def noised(self) -> NDArray[np.float32]:
        """The noised sum, flat."""
        values: NDArray[np.float32] = self.params[0].grad.numpy().ravel()
        return values
