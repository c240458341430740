"""The private model against the best published method, customer by customer on the same targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.quality.trial import Trial
from recsys.evaluate import owned_targets
from recsys.metrics.ranking import Interval, bootstrap, hits, ndcg_at_k, recall_at_k
from recsys.models.baselines.scoring import Ranked

SAMPLES = 2000
NEW = "new_"

Values = Mapping[str, NDArray[np.float64]]
"""A figure of every evaluated customer by the metric's name; NaN where the customer has no such target."""


@dataclass(frozen=True)
class Difference:
    """A metric of the private model less that of the best method, with a 95 % interval over customers."""

    metric: str
    best: str
    interval: Interval

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        mean, low, high = self.interval
        return {"metric": self.metric, "best": self.best, "difference": mean, "interval": [low, high]}

    def __str__(self) -> str:
        mean, low, high = self.interval
        return f"{self.metric} {mean:+.4f} ({low:+.4f} to {high:+.4f}) on {self.best}"


def customer_values(lists: Ranked, trial: Trial) -> dict[str, NDArray[np.float64]]:
    """Recall at the headline's k and the NDCG that goes with it, and both of new items apart.

    Where owned items are never recommended, all items are new and nothing stands apart.
    """
    k = int(trial.headline.rpartition("_")[2])
    deep = 100 if trial.new_only and trial.candidates is None else 10
    wanted = trial.wanted
    parts = [("", lists.overall, np.ones(len(wanted.items), bool))]
    if not trial.new_only:
        parts.append((NEW, lists.fresh, ~owned_targets(trial.shown, wanted)))
    values = {}
    for prefix, ranked, kept in parts:
        targets = wanted.where(kept)
        relevant = np.diff(targets.offsets)
        hit = hits(ranked, targets.offsets, targets.items)
        values[f"{prefix}recall_at_{k}"] = recall_at_k(hit, relevant, k, trial.denominator)
        values[f"{prefix}ndcg_at_{deep}"] = ndcg_at_k(hit, relevant, deep)
    return values


def differences(private: Sequence[Values], others: Mapping[str, Sequence[Values]]) -> list[Difference]:
    """In each metric, against the method that is best in it.

    private: by seed; others: the same of every method. Of several seeds a customer's figure is the mean.
    """
    if not others:
        return []
    found = []
    for metric in private[0]:
        means = {name: _mean(seeds, metric) for name, seeds in others.items()}
        known = {name: values for name, values in means.items() if not np.isnan(values).all()}
        if known:
            best = max(known, key=lambda name: float(np.nanmean(known[name])))
            paired = _mean(private, metric) - known[best]
            found.append(Difference(metric, best, bootstrap(paired[None], samples=SAMPLES)[0]))
    return found


def _mean(seeds: Sequence[Values], metric: str) -> NDArray[np.float64]:
    return np.asarray(np.mean([values[metric] for values in seeds], axis=0))
