"""What silos are told in arrays, held against public constants before anything is computed or reserved.

A misfit that only some data would stumble over must not be found by the data: whether a silo answers would
then tell what its customers bought, in one exact bit that no noise covers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recsys.errors import PlanError
from recsys.features.items import ItemFeatures
from recsys.models.hazard import DIMENSIONS
from training.config import COPURCHASE, DEMAND, FOLLOWUPS, METRICS, POPULARITY, RHYTHM, TOWERS, SiloSettings
from training.messages import Request

LIMITS = {
    "popularity": (np.finfo(np.float64).tiny, 1.0),
    "usual": (-50.0, 50.0),
    "vectors": (-1e30, 1e30),
    "history_table": (-1e30, 1e30),
}
"""Least and most of what is told; of anything else, finite numbers. Vectors: their products stay finite."""

Shape = tuple[int | None, ...]


def check_told(stage: str, request: Request, settings: SiloSettings, features: ItemFeatures) -> None:
    """Refuse arrays of a wrong type, shape or value. It reads the request and the public catalogue alone.

    features: of the catalogue. Raises PlanError naming the array, TrainingError where one is missing.
    """
    widths = set()
    for name, expected in _shapes(stage, request, settings, features).items():
        array = request.array(name)
        fits = array.ndim == len(expected) and all(
            wanted in (None, length) for wanted, length in zip(expected, array.shape, strict=True)
        )
        if array.dtype not in (np.float32, np.float64) or not fits:
            raise PlanError(
                f"'{name}' is {array.dtype} {list(array.shape)}, expected floats {list(expected)}"
            )
        low, high = LIMITS.get(name, (-np.inf, np.inf))
        if not (np.isfinite(array).all() and (array >= low).all() and (array <= high).all()):
            raise PlanError(f"'{name}' has values that are not finite numbers from {low:g} to {high:g}")
        widths |= set(array.shape[1:])
    if len(widths) > 1:
        raise PlanError(f"the tables told for '{stage}' have {sorted(widths)} columns; give all as many")


def _shapes(
    stage: str, request: Request, settings: SiloSettings, features: ItemFeatures
) -> Mapping[str, Shape]:
    n = len(features.rows)
    table = features.table_size * settings.towers.embedding_dim
    first = stage == POPULARITY and request.number("round") == 0
    told: Mapping[str, Mapping[str, Shape]] = {
        POPULARITY: {} if first else {"popularity": (n,)},
        COPURCHASE: {"popularity": (n,)},
        FOLLOWUPS: {"popularity": (n,)},
        DEMAND: {"popularity": (n,)},
        RHYTHM: {"popularity": (n,), "usual": (n,), "parameters": (DIMENSIONS,)},
        METRICS: {"popularity": (n,), "vectors": (n, None), "history_table": (n, None)},
        TOWERS: {"popularity": (n,), "parameters": (table,)},
    }
    return told.get(stage, {})
