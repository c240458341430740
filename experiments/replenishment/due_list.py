"""The list of what is due, against the customer's most frequent items, on the first basket after the cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.methods import Answer
from experiments.replenishment.outcomes import Figure, ends_of
from experiments.replenishment.protocol import Cut
from recsys.metrics.ranking import hits
from recsys.models.replenishment import HORIZONS
from recsys.seeds import rng

LENGTH, WITHIN, RESAMPLES = 10, 14, 1000


@dataclass(frozen=True, eq=False)
class DueLists:
    """Lists of `LENGTH` own items for everybody who bought on both sides of the cut."""

    cut: Cut

    @cached_property
    def frequent(self) -> NDArray[np.float64]:
        """Recall of the most frequent own items, ties by exact popularity; float64 [customers]."""
        return self._recall(self.cut.pairs.purchases.astype(np.float64))

    @cached_property
    def own_frequent(self) -> NDArray[np.float64]:
        """The same by what the customer's own purchases tell: ties by a draw; float64 [customers]."""
        ties = rng(0, "ties", len(self.cut.pairs)).random(len(self.cut.pairs))
        return self._recall(self.cut.pairs.purchases + ties / 2.0)

    def figures(self, answer: Answer) -> dict[str, Figure]:
        """Recall of the first items of the method's list, and its ratio to the frequent items'.

        Ranked by the method's own scores, or else by its chance within `WITHIN` days. Hits over all items of
        the basket, new ones included, averaged over customers. A list has no item without a chance, and may
        be shorter for it.
        """
        chance = answer.forecast.chances[:, HORIZONS.index(WITHIN)]
        scores = np.where(chance > 0.0, chance, np.nan) if answer.list_scores is None else answer.list_scores
        ours, theirs = self._recall(scores), self.frequent
        n = len(ours)
        draws = rng(0, "due list", n).multinomial(n, np.full(n, 1.0 / max(n, 1)), RESAMPLES) / max(n, 1)
        means, others = draws @ ours, draws @ theirs
        name = f"due_recall_at_{LENGTH}"
        return {
            name: (float(ours.mean()), ends_of(means)),
            f"frequent_recall_at_{LENGTH}": (float(theirs.mean()), ends_of(others)),
            f"own_frequent_recall_at_{LENGTH}": (
                float(self.own_frequent.mean()),
                ends_of(draws @ self.own_frequent),
            ),
            "due_ratio": (
                float(ours.mean() / theirs.mean()) if theirs.any() else float("nan"),
                ends_of(means / np.where(others > 0.0, others, np.nan)),
            ),
        }

    def _recall(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        wanted = self.cut.trial.wanted
        found = hits(self._lists(scores), wanted.offsets, wanted.items)
        return np.asarray(found[:, :LENGTH].sum(axis=1) / np.maximum(np.diff(wanted.offsets), 1))

    def _lists(self, scores: NDArray[np.float64]) -> NDArray[np.int32]:
        """int32 [customers, LENGTH], -1 at the end; ties by popularity, then item; NaN is not listed."""
        pairs, customers = self.cut.pairs, self.cut.trial.customers
        popular = np.bincount(pairs.items, minlength=pairs.n_items)[pairs.items]
        order = np.lexsort((pairs.items, -popular, -np.nan_to_num(scores, nan=-1.0), pairs.customers))
        order = order[~np.isnan(scores[order])]
        owner = pairs.customers[order]
        place = np.arange(len(order)) - np.searchsorted(owner, owner)
        row = np.full(len(self.cut.histories), -1, np.int64)
        row[customers] = np.arange(len(customers))
        kept = (place < LENGTH) & (row[owner] >= 0)
        lists = np.full((len(customers), LENGTH), -1, np.int32)
        lists[row[owner[kept]], place[kept]] = pairs.items[order[kept]]
        return lists
