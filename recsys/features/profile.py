"""A customer's taste read off the public features of own items: nothing is learned, so nothing is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.features.price_tiers import NO_TIER, price_tiers

NO_COLUMN = -1
PARTS = 3


@dataclass(frozen=True)
class ProfileConfig:
    """Public constants of taste profiles.

    category_weight, brand_weight, tier_weight, department_weight: what a unit of log ratio adds to an item's
        score; 0 leaves the feature out. The tier is that of `recsys.features.price_tiers`; departments group
        categories, and matter beside them where a category has few items
    category_prior, brand_prior, tier_prior, department_prior: pseudo-items, above 0: how many items speak as
        loudly as the expectation
    max_columns: of each feature, the values with the most items in the catalogue are kept, a third at most
    """

    category_weight: float = 1.0
    category_prior: float = 1.0
    brand_weight: float = 1.2
    brand_prior: float = 4.0
    tier_weight: float = 1.0
    tier_prior: float = 4.0
    max_columns: int = 384
    department_weight: float = 0.0
    department_prior: float = 2.0

    def __post_init__(self) -> None:
        if min(self.category_prior, self.brand_prior, self.tier_prior, self.department_prior) <= 0.0:
            raise ConfigError("a prior of the taste profile is not above 0; give pseudo-items above 0")


@dataclass(frozen=True)
class TasteProfile:
    """u_f = weight_f log((count_f + prior_f) / (count x expected_f + prior_f)) for every feature f.

    A feature is a category, a brand, a price tier or a department.
    count_f is how many of a customer's items have the feature, count how many items there are, expected_f the
    feature's share of published popularity. It is the posterior mean of a Gamma-Poisson rate over its prior
    mean (Clayton and Kaldor 1987), as a logarithm, so that it adds to log popularity. An item's vector is the
    indicator of its features.

    columns: int64 [n_items, F], the columns of an item's category, brand, price tier and department as far as
        they are used, -1 for none
    expected, prior, weight: float32 [columns]

    Guarantee: made of the public catalogue and published popularity; a profile depends on its own customer.
    """

    columns: NDArray[np.int64]
    expected: NDArray[np.float32]
    prior: NDArray[np.float32]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, catalogue: Catalogue, popularity: NDArray[np.float64], config: ProfileConfig) -> TasteProfile:
        """popularity: published probabilities, float64 [n_items]."""
        kinds = [
            (catalogue.categories, config.category_prior, config.category_weight),
            (catalogue.brands, config.brand_prior, config.brand_weight),
            (_tier_names(catalogue), config.tier_prior, config.tier_weight),
        ]
        if config.department_weight > 0.0:  # without it profiles are as they were before there was one
            kinds.append((catalogue.departments, config.department_prior, config.department_weight))
        used = [(names, prior, weight) for names, prior, weight in kinds if weight > 0.0]
        columns = np.full((len(catalogue), len(kinds)), NO_COLUMN, np.int64)
        prior, weight = list[float](), list[float]()
        for position, (names, pseudo_items, per_unit) in enumerate(used):
            codes = _codes(names, config.max_columns // PARTS)
            columns[:, position] = np.where(codes >= 0, codes + len(prior), NO_COLUMN)
            size = int(codes.max(initial=NO_COLUMN)) + 1
            prior += [pseudo_items] * size
            weight += [per_unit] * size
        share = _share(columns, popularity, len(prior))
        return cls(columns, share, np.array(prior, np.float32), np.array(weight, np.float32))

    def __len__(self) -> int:
        return len(self.expected)

    def items(self) -> NDArray[np.float32]:
        """The items' indicators; float32 [n_items, columns]."""
        indicators = np.zeros((len(self.columns), len(self) + 1), np.float32)
        np.put_along_axis(indicators, self.columns, 1.0, 1)  # -1 writes to the column that is cut off
        return indicators[:, :-1]

    def users(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The profiles of customers; float32 [B, columns]. ids: int64 [B, L], distinct items, -1 for none."""
        size = len(self) + 1
        rows, _, found = self._entries(ids)
        cells = found % size + size * rows[:, None]
        counts = np.bincount(cells.ravel(), minlength=size * len(ids)).reshape(len(ids), size)[:, :-1]
        total = (ids >= 0).sum(1, keepdims=True)
        ratio = (counts + self.prior) / (total * self.expected + self.prior)
        profile: NDArray[np.float32] = (self.weight * np.log(ratio)).astype(np.float32)
        return profile

    def others(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the profile of a customer's other items adds to each own item's score; float32 [B, L].

        ids: int64 [B, L], distinct items, -1 for none, which get 0.
        """
        size = len(self) + 1
        rows, positions, found = self._entries(ids)
        found = found % size
        cells = found + size * rows[:, None]
        counts = np.bincount(cells.ravel(), minlength=size * len(ids))[cells] - 1
        total = np.bincount(rows, minlength=len(ids))[rows, None] - 1
        # What stands in the last place, that of no column, is multiplied with nothing.
        prior, expected, weight = (np.append(x, end) for x, end in self._constants())
        ratio = (counts + prior[found]) / (total * expected[found] + prior[found])
        added = np.zeros(ids.shape, np.float32)
        added[rows, positions] = (weight[found] * np.log(ratio)).sum(1)
        return added

    def _entries(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Where the items are, rows and positions, int64 [P] each, and their columns, int64 [P, F used]."""
        rows, positions = np.nonzero(ids >= 0)
        return rows, positions, self._used[ids[rows, positions]]

    @property
    def _used(self) -> NDArray[np.int64]:
        """The columns of features that any item has: few catalogues have all."""
        return self.columns[:, (self.columns != NO_COLUMN).any(0)]

    def _constants(self) -> tuple[tuple[NDArray[np.float32], float], ...]:
        return (self.prior, 1.0), (self.expected, 0.0), (self.weight, 0.0)

    def scores(self, users: NDArray[np.float32], items: NDArray[np.int64]) -> NDArray[np.float32]:
        """What profiles add to items' scores; float32 [B, K]. items: int64 [K], or [B, K] by customer."""
        padded = np.pad(users, ((0, 0), (0, 1)))
        found = self._used[items]
        if items.ndim == 1:
            total = np.zeros((len(users), len(items)), np.float32)
            for column in found.T:
                total += padded.take(column, 1, mode="wrap")
            return total
        return np.asarray(np.take_along_axis(padded[:, None, :], found, 2).sum(2), np.float32)


def _tier_names(catalogue: Catalogue) -> list[str]:
    return ["" if tier == NO_TIER else str(tier) for tier in price_tiers(catalogue).tolist()]


def _codes(names: Sequence[str], most: int) -> NDArray[np.int64]:
    """A number for each of the `most` names with the most items, -1 for the others and for the empty name."""
    values, inverse, counts = np.unique(np.array(names, np.str_), return_inverse=True, return_counts=True)
    order = np.argsort(-np.where(values == "", -1, counts), kind="stable")[:most]
    codes = np.full(len(values), NO_COLUMN, np.int64)
    kept = order[values[order] != ""]
    codes[kept] = np.arange(len(kept))
    return codes[inverse]


def _share(columns: NDArray[np.int64], popularity: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    share = np.zeros(size + 1)
    np.add.at(share, columns, popularity[:, None] / popularity.sum())
    return share[:-1].astype(np.float32)
