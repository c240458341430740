"""Differentially private gradients of the towers: ghost clipping, summed and noised by Opacus' optimizer.

The only import of Opacus. Wired by hand: `PrivacyEngine.make_private` takes the sampling rate and the divisor
from the size of the data, which a claim for add-or-remove-one cannot allow. Here both are constants of the
plan. Norms and clipped sums come in closed form (`training.norm_sampler`) from one gradient of the losses by
the scores, where Opacus' own ghost mode takes two backward passes and more memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.optimizers import DPOptimizerFastGradientClipping
from torch import Tensor

from recsys.errors import TrainingError
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.privacy.tally import Clip, Tally
from recsys.towers.two_tower import TwoTower
from training.alike import Compute, require_alike
from training.batches import Batch
from training.norm_sampler import Gradients, GradientSum
from training.objective import Objective

SUM = "sum"
Losses = Callable[[Callable[..., Tensor], Batch], Tensor]
CELLS, SMALLEST, LARGEST = 1 << 20, 128, 512
"""Scores at a time, and the bounds of physical batches: measured as fastest from 2,000 to 20,000 items."""


@dataclass(frozen=True)
class NoisedGradient:
    """values: float32 [rows * embedding_dim], the noised sum of clipped gradients, divided by nothing."""

    values: NDArray[np.float32]


@dataclass(frozen=True)
class Engine:
    """Gradient steps of one model. Nothing is kept between steps, so no step can reach into another.

    objective: the model and what it learns; public.
    max_physical_batch: customers whose scores are in memory at a time; does not change the result. By
        default as many as have CELLS scores by the catalogue's size, which is public: calls cost more than
        numbers where they are few, and where they are many scores stay in the processor's cache.
    """

    objective: Objective
    max_physical_batch: int | None = None

    @property
    def physical_batch(self) -> int:
        """Customers at a time: one number for every batch of every step, whoever was sampled."""
        fitting = CELLS // min(len(self.objective.log_popularity), self.objective.config.negatives)
        return self.max_physical_batch or min(max(fitting, SMALLEST), LARGEST)

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
        example each. rng: chooses negatives (default: seeded by the operating system), never noise and
        never who is sampled. Raises TrainingError for parameters that are no usable table.

        Guarantee: customer-level, add-or-remove-one, exactly `plan.event(1)`: every customer is in the step
        with chance `plan.sampling_rate`, independently, adds a vector of L2 norm at most `plan.clip_norm`
        that depends on no other customer, and the sum gets Gaussian noise of `plan.noise_std` once, also if
        nobody was sampled. The result's shape does not depend on the data. Sampler, clipper and noise note
        what they did in `noise.tally`.
        """
        tower = self.objective.tower(parameters)
        require_alike(self.objective, self.physical_batch, sequences.ids.shape[1], self._gradients(plan))
        sampled = noise.poisson_sample(len(sequences), plan.sampling_rate)
        batch = self.objective.batch(sequences, sampled, rng or np.random.default_rng())
        return NoisedGradient(self._step(tower, batch, plan, noise).noised())

    def _step(self, tower: TwoTower, batch: Batch, plan: DpSgdPlan, noise: SecureNoise) -> _NoisingOptimizer:
        clipper, optimizer = _Clipper(plan, noise.tally), _NoisingOptimizer(tower, plan, noise)
        total = GradientSum(tower, batch.negatives, plan.clip_norm)
        for chunk in batch.chunks(self.physical_batch):
            self._add(total, clipper, chunk.padded(self.physical_batch))
        optimizer.take(total.table())
        optimizer.pre_step()  # noises, once
        return optimizer

    def _add(self, total: GradientSum, clipper: _Clipper, chunk: Batch) -> None:
        found = self._found(total, chunk, self.objective.losses)
        total.add(found, clipper.coefficients(total.bounds(found)))

    def _found(self, total: GradientSum, chunk: Batch, losses_of: Losses) -> Gradients:
        scores = total.scores(chunk).requires_grad_()
        losses = losses_of(lambda *_: scores, chunk)
        if losses.shape != (len(chunk),):
            raise TrainingError(f"losses of shape {list(losses.shape)}: one per customer is needed")
        (backprops,) = torch.autograd.grad(losses.sum(), scores)
        return total.gradients(chunk, backprops)

    def _gradients(self, plan: DpSgdPlan) -> Compute:
        def compute(tower: TwoTower, batch: Batch) -> tuple[Gradients, Tensor]:
            total = GradientSum(tower, batch.negatives, plan.clip_norm)
            found = self._found(total, batch, self.objective.softmax_losses)
            return found, total.bounds(found)

        return compute


@dataclass(frozen=True)
class _Clipper:
    """What each gradient is multiplied with; one that is not finite with zero. It tallies what it clipped."""

    plan: DpSgdPlan
    tally: Tally

    def coefficients(self, norms: Tensor) -> Tensor:
        """min(1, clip norm / norm); [B]."""
        bound = self.plan.clip_norm
        coefficients = torch.where(norms.isfinite(), bound / norms.clamp(min=bound), 0.0)
        largest = (norms.nan_to_num(0.0, 0.0) * coefficients).max().item() if len(norms) else 0.0
        self.tally.clips.append(Clip(bound, largest, int((norms != 0.0).sum())))
        return coefficients


class _NoisingOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]
    """Noises the clipped sum of a step, from the secure source."""

    def __init__(self, tower: TwoTower, plan: DpSgdPlan, noise: SecureNoise) -> None:
        super().__init__(
            torch.optim.SGD([tower.table], lr=0.0),  # never stepped: the server has the optimizer
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=plan.clip_norm,
            expected_batch_size=None,
            loss_reduction=SUM,
        )
        self.noise = noise

    def take(self, total: Tensor) -> None:
        """The clipped sum, float64 [rows, embedding_dim]; Opacus would round it to the table's float32."""
        self._total = total

    def accumulate(self) -> None:
        """The sum is whole already."""
        for parameter in self.params:
            parameter.summed_grad = self._total

    def add_noise(self) -> None:
        """Noise and sum are added in float64 and then rounded, as in every other release."""
        for parameter in self.params:
            drawn = self.noise.normal(tuple(parameter.shape), self.noise_multiplier * self.max_grad_norm)
            parameter.grad = (torch.from_numpy(drawn) + parameter.summed_grad).float()

    def noised(self) -> NDArray[np.float32]:
        """The noised sum, flat."""
        values: NDArray[np.float32] = self.params[0].grad.numpy().ravel()
        return values
