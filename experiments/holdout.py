"""Held-out purchases of every silo: the past trains, the first basket after a cut-off is the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.consent import consented_for_personalisation
from recsys.data.contracts import Table
from recsys.data.dataset import Dataset
from recsys.data.history import Histories
from recsys.data.split import Split
from recsys.data.vocab import Catalogue
from recsys.evaluate import Ranker
from recsys.seeds import rng
from recsys.silos.base import Silo


@dataclass(frozen=True)
class Holdout:
    """One silo's customers, split; and the items that the silo sells (bool [n_items], public)."""

    name: str
    split: Split
    assortment: NDArray[np.bool_]

    def sample(self, customers: int, seed: int) -> Holdout:
        """At most `customers` evaluated customers, chosen at random by a seed of the silo's own."""
        known = self.split.customers
        if len(known) <= customers:
            return self
        chosen = np.sort(rng(seed, "holdout", self.name).choice(known, customers, replace=False))
        return Holdout(self.name, Split(self.split.train, self.split.targets, chosen), self.assortment)


def read_histories(silo: Silo, catalogue: Catalogue) -> tuple[Histories, NDArray[np.bool_]]:
    """The consenting customers' histories of a silo, and its assortment over the catalogue."""
    dataset, assortment = read_dataset(silo, catalogue)
    return dataset.histories, assortment


def read_dataset(silo: Silo, catalogue: Catalogue) -> tuple[Dataset, NDArray[np.bool_]]:
    """The same with the customers' ids."""
    consented = consented_for_personalisation(silo.read(Table.INTERACTIONS), silo.read(Table.CUSTOMERS))
    dataset = Dataset.build(
        consented,
        catalogue,
        ordering=silo.ordering,
        utc_offset_seconds=silo.utc_offset_seconds,
        max_events_per_customer=None,
    )
    assortment = np.zeros(len(catalogue), bool)
    assortment[catalogue.indices(silo.read(Table.ITEMS)["item_id"])] = True
    return dataset, assortment


def pooled(holdouts: Sequence[Holdout]) -> Split:
    """All silos' evaluated customers as one split, silo after silo: figures average over customers."""
    trains = [h.split.train.select(h.split.customers) for h in holdouts]
    targets = [h.split.targets.select(h.split.customers) for h in holdouts]
    train = concatenate(trains)
    return Split(train, concatenate(targets), np.arange(len(train)))


def concatenate(parts: Sequence[Histories]) -> Histories:
    """Histories one after the other; they must be ordered by the same thing."""
    ends = np.cumsum([0, *(part.offsets[-1] for part in parts)])
    offsets = [part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)]
    first = parts[0]
    return Histories(
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([part.quantities for part in parts]),
        first.ordering,
        first.utc_offset_seconds,
    )


@dataclass(frozen=True)
class BySilo:
    """A ranker over pooled customers that asks each silo's own ranker about that silo's customers."""

    rankers: Sequence[Ranker]
    sizes: Sequence[int]

    def __call__(self, histories: Histories, owned_excluded: bool) -> NDArray[np.int32]:
        """int32 [n, k]; the customers must come silo after silo, as `pooled` puts them."""
        edges = np.cumsum([0, *self.sizes])
        spans = zip(self.rankers, edges[:-1], edges[1:], strict=True)
        return np.concatenate(
            [rank(histories.select(np.arange(a, b)), owned_excluded) for rank, a, b in spans]
        )
