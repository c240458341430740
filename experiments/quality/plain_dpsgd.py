"""Plain DP-SGD on the same towers: what a reader of the Opacus manual would build, at the same epsilon.

One pooled data set (one curator, so one dose of noise instead of one per silo), Adam with a second moment per
entry, the customary clip norm of 1, no noised popularity, no taste profile, the whole budget on gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.quality.silos import Budget
from experiments.quality.trial import Trial
from recsys.data.history import Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.features.items import item_features
from recsys.features.sequences import SequenceConfig, encode
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import PrivacyPlan, calibrate
from recsys.seeds import rng
from recsys.towers.two_tower import initial_parameters, item_vectors
from training.config import TOWERS, TrainingConfig
from training.engine import Engine
from training.objective import Objective
from training.scopes import sequence_config, tower_config

STEPS, SAMPLING_RATE, CLIP_NORM, LEARNING_RATE = 100, 0.05, 1.0, 0.01
POOLED = "pooled"


@dataclass(frozen=True)
class PlainTowers:
    """score_j = u . v_j, u the weighted sum of a customer's item vectors; vectors: float32 [n_items, d]."""

    vectors: NDArray[np.float32]
    sequences: SequenceConfig

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        shown = encode(histories, self.sequences)
        users = np.einsum("nl,nld->nd", shown.weights, self.vectors[np.maximum(shown.ids, 0)])
        return np.asarray(users @ self.vectors.T, np.float32)


def train_plain_dpsgd(
    trial: Trial, catalogue: Catalogue, config: TrainingConfig, budget: Budget
) -> PlainTowers:
    """Train on all learners of a trial, person-level (epsilon, delta) by the product's accountant.

    config: whose tower sizes and sequences are used. The guarantee needs the divisor to be public: the number
    of customers of a published data set. Raises PlanError if the budget cannot be met.
    """
    histories, settings = trial.learned, config.silo_settings(ordered=_ordered(trial))
    plan = plain_plan(budget, len(histories))
    if plan.dpsgd is None:
        raise TypeError("a plan of towers alone has steps")
    model, features = tower_config(settings.towers), item_features(catalogue)
    flat = np.full(len(catalogue), -np.log(len(catalogue)), np.float32)
    engine = Engine(Objective(features, model, flat))
    sequences = encode(histories, sequence_config(settings.sequences))
    table = torch.nn.Parameter(torch.from_numpy(initial_parameters(features, model, config.seed)))
    optimizer, noise, random = (
        torch.optim.Adam([table], LEARNING_RATE),
        SecureNoise(),
        rng(config.seed, POOLED),
    )
    for _ in range(STEPS):
        parameters = table.detach().numpy()
        gradient = engine.noised_gradient(parameters, sequences, plan.dpsgd, noise, rng=random).values
        table.grad = torch.from_numpy(gradient / np.float32(plan.expected_batch(POOLED)))
        optimizer.step()
    vectors = item_vectors(features, model, table.detach().numpy(), flat)
    return PlainTowers(vectors, sequence_config(settings.sequences))


def plain_plan(budget: Budget, customers: int) -> PrivacyPlan:
    """The whole budget on the steps, at one curator of so many customers. Raises PlanError."""
    return calibrate(
        target_epsilon=budget.epsilon,
        delta=budget.delta,
        max_silos_per_person=1,
        registered_customers={POOLED: customers},
        shares={TOWERS: 1.0},
        clip_norms={TOWERS: CLIP_NORM},
        sampling_rate=SAMPLING_RATE,
        steps=STEPS,
    )


def _ordered(trial: Trial) -> bool:
    return trial.histories.ordering is not Ordering.NONE
