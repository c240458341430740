"""Which categories follow-ups are looked for among."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError


@dataclass(frozen=True)
class CategoryScope:
    """Which categories are looked at. Public: made of the catalogue and published popularity alone.

    names: m category names, most popular first
    position: int32 [n_items], the place among them of each item's category, -1 where it is not among them
    """

    names: tuple[str, ...]
    position: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        popularity: NDArray[np.float64],
        max_pairs: int = 10_000,
        exclude: tuple[str, ...] = (),
    ) -> CategoryScope:
        """The most popular categories, as many as make at most `max_pairs` ordered pairs.

        popularity: published probabilities [n_items]; exclude: categories that are never looked at
        """
        codes, names = catalogue.category_codes
        usable = np.array([name not in ("", *exclude) for name in names], bool)
        share = np.bincount(codes, popularity, len(names))
        ranked = np.argsort(-share, kind="stable")
        chosen = ranked[usable[ranked]][: most_categories(max_pairs)]
        place = np.full(len(names), -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        return cls(tuple(names[code] for code in chosen), place[codes])

    def without(self, names: Collection[str]) -> CategoryScope:
        """The same categories, of which some are never seen: what is released keeps its shape."""
        hidden = np.array([name in names for name in self.names] + [False], bool)
        return CategoryScope(self.names, np.where(hidden[self.position], np.int32(-1), self.position))


def check_excluded(exclude: Collection[str], catalogue: Catalogue, where: str) -> None:
    """Raises ConfigError naming `where` for a category that the catalogue lacks; it would hide nothing."""
    known = set(catalogue.categories) - {""}
    for name in exclude:
        if name not in known:
            raise ConfigError(
                f"{where} names {name!r}, no category of the catalogue; "
                "correct it, or what it means is not left out"
            )


def usable_categories(catalogue: Catalogue, exclude: tuple[str, ...] = ()) -> int:
    """How many categories of the catalogue may be looked at."""
    return len(set(catalogue.categories) - {"", *exclude})


def most_categories(max_pairs: int) -> int:
    """How many categories make at most so many ordered pairs. Raises ConfigError below 2."""
    if max_pairs < 2:
        raise ConfigError(f"max_pairs is {max_pairs}; two categories make two pairs, so give 2 or more")
    return int((1.0 + np.sqrt(1.0 + 4.0 * max_pairs)) / 2.0)
