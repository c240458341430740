"""The product's own path on a trial: training with ledgers, a bundle, ranking by `recsys.recommend`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.quality.silos import Budget, Dealt
from experiments.quality.trial import Trial
from recsys.bundle.contents import Bundle
from recsys.data.history import Histories
from recsys.models.baselines.scoring import Order, Ranked
from recsys.recommend.pipeline import Recommender
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml

PRESETS = Path(__file__).parents[1] / "configs" / "bench"
ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class Settings:
    """The training configuration of a run before its paths: a preset and what overrides it.

    values: nested tables as in train.toml; source: where they come from, for errors
    """

    values: Mapping[str, Any]
    source: str

    @classmethod
    def of(cls, protocol: str, config: Path | None) -> Settings:
        """The preset of the protocol with a file's values over it, key by key. Raises ConfigError."""
        preset = PRESETS / f"{protocol}.toml"
        values = read_toml(preset) if preset.is_file() else {}
        if config is None:
            return cls(values, str(preset))
        return cls(merged(values, read_toml(config)), f"{config} over {preset.name}")

    def training(self, dealt: Dealt, budget: Budget, *, seed: int, output: Path) -> TrainingConfig:
        """The whole configuration. Raises ConfigError naming the source, the key and the value."""
        run = {
            "federation": dealt.federation,
            "output": output,
            "seed": seed,
            "research_data": True,
            "privacy": {"epsilon": budget.epsilon, "delta": budget.delta},
        }
        return parse_config(merged(self.values, run), source=self.source)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables, the values of `above` over those of `below`."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        result[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


@dataclass(frozen=True)
class BundleScores:
    """A bundle's blended scores of all items, where a protocol ranks among given candidates."""

    recommender: Recommender

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        return self.recommender.scores(histories).astype(np.float32)


def bundle_lists(bundle: Bundle, trial: Trial, k: int) -> Ranked:
    """The lists of a bundle's recommender for the evaluated customers."""
    recommender = Recommender(bundle)
    if trial.candidates is not None:
        popularity = np.exp(bundle.log_popularity.astype(np.float64))
        found = candidate_lists(BundleScores(recommender), trial, popularity, k)
        return Ranked(found, found)
    fresh = recommender.rank(trial.shown, k, new_only=True)
    return Ranked(fresh if trial.new_only else recommender.rank(trial.shown, k), fresh)


def candidate_lists(model: Any, trial: Trial, popularity: NDArray[np.float64], k: int) -> NDArray[np.int32]:
    """Rank each customer's own candidates alone; int32 [n, k]."""
    if trial.candidates is None:
        raise ValueError("the trial has no candidates")
    order, parts = Order.of(popularity), []
    for start in range(0, len(trial.customers), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(trial.customers)))
        keys = order.keys(model.scores(trial.shown.select(rows)))
        asked = np.zeros(keys.shape, bool)
        candidates = trial.candidates[rows]
        asked[np.nonzero(candidates >= 0)[0], candidates[candidates >= 0]] = True
        keys[~asked] = np.iinfo(np.int64).min
        parts.append(order.best(keys, k))
    return np.concatenate(parts)
