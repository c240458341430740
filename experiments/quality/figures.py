"""A method's figures on a trial: ranking quality with intervals, spread over catalogue and silos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.comparison import Entry
from experiments.quality.differences import Values, customer_values
from experiments.quality.trial import Trial
from recsys.evaluate import measure
from recsys.metrics.catalog import coverage, long_tail_share
from recsys.metrics.ranking import hits, recall_at_k
from recsys.models.baselines.scoring import Ranked

LONGEST = 100
HEADLINE = (
    ("recall_at_10", "overall", "recall@10"),
    ("recall_at_20", "overall", "recall@20"),
    ("ndcg_at_10", "overall", "ndcg@10"),
    ("ndcg_at_100", "overall", "ndcg@100"),
    ("hit_at_10", "overall", "hit@10"),
    ("new_recall_at_10", "new", "recall@10"),
    ("new_recall_at_20", "new", "recall@20"),
    ("new_ndcg_at_10", "new", "ndcg@10"),
    ("repeat_recall_at_10", "repeat", "recall@10"),
)


@dataclass(frozen=True)
class Figures:
    """How one method did.

    entry: the headline figures with their 95 % bootstrap intervals; coverage: share of the catalogue shown to
    anybody in the first 10; long_tail_share: share of those places outside the items that hold 80 % of sales
    by_silo: headline metric of each silo's customers; seconds: to fit, tune and rank; chosen: what was tuned
    by_customer: figures of each evaluated customer, for paired differences; they are written nowhere
    """

    entry: Entry
    coverage: float
    long_tail_share: float
    by_silo: Mapping[str, float]
    seconds: float
    chosen: Mapping[str, Any]
    by_customer: Values = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; figures without any target are null."""
        spread = [value for value in self.by_silo.values() if not np.isnan(value)]
        return {
            "private": self.entry.private,
            **{name: _number(value) for name, value in self.entry.values.items()},
            "coverage": self.coverage,
            "long_tail_share": self.long_tail_share,
            "silo_spread": [min(spread), max(spread)] if spread else None,
            "by_silo": {name: _number(value) for name, value in self.by_silo.items()},
            "intervals": {
                name: [_number(low), _number(high)] for name, (low, high) in self.entry.intervals.items()
            },
            "seconds": round(self.seconds, 2),
            "chosen": dict(self.chosen),
        }


def figures(
    lists: Ranked,
    trial: Trial,
    popularity: NDArray[np.float64],
    silos: tuple[Sequence[str], NDArray[np.int64]],
    *,
    private: bool,
    seconds: float,
    chosen: Mapping[str, Any],
) -> Figures:
    """All figures of lists. popularity: [n_items], exact; silos: names, and each customer's silo."""
    metrics = measure(
        lists.overall, lists.fresh, trial.split, (10, 20, LONGEST), denominator=trial.denominator
    )
    first = lists.overall[:, :10]
    return Figures(
        Entry.of(metrics, private=private, headline=HEADLINE),
        coverage(first, trial.n_items),
        long_tail_share(first, popularity),
        _by_silo(lists, trial, silos),
        seconds,
        chosen,
        customer_values(lists, trial),
    )


def headline(lists: Ranked, trial: Trial) -> NDArray[np.float64]:
    """The headline metric of every evaluated customer; float64 [n]."""
    wanted, k = trial.wanted, int(trial.headline.rpartition("_")[2])
    hit = hits(lists.overall, wanted.offsets, wanted.items)
    return recall_at_k(hit, np.diff(wanted.offsets), k, trial.denominator)


def _by_silo(lists: Ranked, trial: Trial, silos: tuple[Sequence[str], NDArray[np.int64]]) -> dict[str, float]:
    names, silo_of = silos
    values = headline(lists, trial)
    return {
        name: float(values[silo_of == number].mean()) if (silo_of == number).any() else float("nan")
        for number, name in enumerate(names)
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
