"""A small public model, customers of many kinds, and a noise source that is silent (and says so)."""

import numpy as np
import torch

from recsys.features.items import ItemFeatures
from recsys.features.profile import TasteProfile
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.towers.two_tower import TowerConfig, initial_parameters
from training.objective import Objective

N_ITEMS, BRANDS, LENGTH = 60, 7, 12


class Silent(SecureNoise):
    """Draws nothing, so that what noise would hide can be measured. Sampling and tallies stay real."""

    def _normals(self, size, scale):
        return np.zeros(size)


def everyone(clip_norm=0.05, noise_multiplier=1.0):
    """A plan under which every customer is in every step."""
    return DpSgdPlan(clip_norm, noise_multiplier, sampling_rate=1.0, steps=10)


def make_profile():
    """Tastes for the same brands, in two columns per item, some of them none."""
    random = np.random.default_rng(6)
    shares = np.full(BRANDS, 2 / BRANDS, np.float32)
    ones = np.ones(BRANDS, np.float32)
    return TasteProfile(random.integers(-1, BRANDS, (N_ITEMS, 2)), shares, 0.6 * ones, ones)


def make_objective(profile=None, **config):
    random = np.random.default_rng(5)
    brands = random.integers(N_ITEMS, N_ITEMS + BRANDS, (N_ITEMS, 2))
    features = ItemFeatures(np.concatenate([np.arange(N_ITEMS)[:, None], brands], 1), N_ITEMS + BRANDS)
    popularity = random.dirichlet(np.ones(N_ITEMS))
    settings = TowerConfig(**{"embedding_dim": 8, "init_scale": 0.5, "negatives": 25, **config})
    return Objective(features, settings, np.log(popularity).astype(np.float32), profile)


def start(objective, seed=1):
    return initial_parameters(objective.features, objective.config, seed)


def make_customers(n, seed=0):
    """Customers with 0 to LENGTH distinct items."""
    random = np.random.default_rng(seed)
    ids = random.random((n, N_ITEMS)).argsort(1)[:, :LENGTH].astype(np.int64)
    ids[np.arange(LENGTH) >= random.integers(0, LENGTH + 1, n)[:, None]] = -1
    weights = np.where(ids >= 0, random.random(ids.shape), 0.0)
    norms = np.sqrt((weights**2).sum(1, keepdims=True))
    return Sequences(ids, (weights / np.maximum(norms, 1e-9)).astype(np.float32))


def with_row(customers, position, ids, weights):
    """The same customers, but for one."""
    changed = Sequences(customers.ids.copy(), customers.weights.copy())
    changed.ids[position], changed.weights[position] = ids, weights
    return changed


def without_row(customers, position):
    """The same customers without one."""
    return Sequences(np.delete(customers.ids, position, 0), np.delete(customers.weights, position, 0))


def one_by_one(objective, parameters, batch):
    """Every customer's gradient by an ordinary backward pass of that customer alone; [B, parameters]."""
    rows = [np.zeros((0, len(parameters)))]
    for single in batch.chunks(1):
        tower = objective.tower(parameters)
        objective.losses(tower, single).sum().backward()
        rows.append(tower.table.grad.flatten().double().numpy()[None])
    return np.concatenate(rows)


def score_gradients(objective, parameters, batch):
    """The model, the gradient of every customer's loss with respect to its scores, and the losses."""
    tower, seen = objective.tower(parameters), []

    def score(*inputs):
        seen.append(tower(*inputs))
        return seen[0]

    losses = objective.losses(score, batch)
    (backprops,) = torch.autograd.grad(losses.sum(), seen[0])
    return tower, backprops, losses.detach()
