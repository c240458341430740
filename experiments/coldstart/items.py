"""New items: never sold before the cut-off, so that only their public features speak for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.coldstart.options import ColdStartOptions
from experiments.coldstart.section import K, Section, counts_before
from experiments.coldstart.world import ColdWorld, SiloSide
from experiments.holdout import Holdout
from recsys.bundle.index import build_index
from recsys.data.history import Histories
from recsys.data.split import Split
from recsys.features.pairs import recent_items
from recsys.metrics.catalog import exposure
from recsys.metrics.ranking import hits, recall_at_k
from recsys.models.popularity import with_new_items
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Components
from recsys.seeds import rng

AMONG = 5
DECLARED = "private, declared as new"

VARIANTS = {
    "private": Components(),
    "private, public features alone": Components(copurchase=False, towers=False),
    "private, popularity alone": Components(profile=False, titles=False, copurchase=False, towers=False),
}


@dataclass
class _Tally:
    """What is added up over silos, customer by customer."""

    percentile: list[NDArray[np.float64]]
    among: list[NDArray[np.float64]]
    open: list[NDArray[np.float64]]
    shown: NDArray[np.int64]
    places: int = 0

    @classmethod
    def of(cls, n_items: int) -> _Tally:
        return cls([], [], [], np.zeros(n_items, np.int64))

    def figures(self, sold: NDArray[np.bool_]) -> dict[str, float]:
        """sold: bool [n_items], the new items that some silo sells."""
        return {
            "place": _mean(self.percentile),
            f"among_new_recall_at_{AMONG}": _mean(self.among),
            f"recall_at_{K}": _mean(self.open),
            f"coverage_at_{K}": float((self.shown[sold] > 0).mean()),
            "share_of_places": float(self.shown[sold].sum() / max(self.places, 1)),
        }


def measure_new_items(
    world: ColdWorld, recommender: Recommender, options: ColdStartOptions, seed: int
) -> Section:
    """Where the items rank that nobody could buy before, among all items and among themselves."""
    n_items, new = len(world.catalogue), world.new_items
    holdouts = [new_item_buyers(side, world).sample(options.sample, seed) for side in world.silos]
    variants = {name: recommender.with_components(parts) for name, parts in VARIANTS.items()}
    variants[DECLARED] = declared(recommender, new)
    tallies = {name: _Tally.of(n_items) for name in (*variants, "popularity, exact")}
    chance = _Tally.of(n_items)
    for side, holdout in zip(world.silos, holdouts, strict=True):
        histories = holdout.split.train.select(holdout.split.customers)
        targets = holdout.split.targets.select(holdout.split.customers)
        for name, variant in variants.items():
            _add(tallies[name], variant.scores(histories), histories, targets, side, new)
        # Items are numbered by category: chance alone may order those that nobody bought.
        counts = counts_before(side, world.cutoff, trained_only=True)
        exact = counts + 0.5 * rng(seed, "ties", side.name).random((len(histories), n_items))
        _add(tallies["popularity, exact"], exact, histories, targets, side, new)
        _add_chance(chance, targets, side, new)
    sold = new & np.any([side.assortment for side in world.silos], 0)
    rows = {name: tally.figures(sold) for name, tally in tallies.items()}
    rows["chance"] = chance.figures(sold) | {f"coverage_at_{K}": np.nan, "share_of_places": np.nan}
    buyers = sum(len(holdout.split.customers) for holdout in holdouts)
    notes = (
        f"{int(new.sum())} of {n_items:,} items, chosen at random, without any event before the cut-off; "
        f"{buyers:,} customers who bought some of them in the {options.weeks_ahead} weeks after it",
        "place: mean share of the silo's items (not owned) that rank below a bought new item, 0.5 is chance; "
        "ties at random",
        "declared as new: their popularity is the mean of their category's other items, because public "
        "plans say that they could not be bought before (`new_items` of the training configuration)",
        f"among_new: the silo's new items ranked among themselves; recall_at_{K}: all items compete",
        f"coverage: share of the new items that are in anybody's list of {K}; share_of_places: of all "
        f"places in these lists (new items are {new.mean():.3f} of the catalogue)",
    )
    return Section("New items: first sold after the cut-off", notes, rows)


def declared(recommender: Recommender, new: NDArray[np.bool_]) -> Recommender:
    """The same training with `new_items` declared: only the published popularity differs."""
    bundle = recommender.bundle
    released = np.exp(bundle.log_popularity.astype(np.float64))
    expected = with_new_items(released / released.sum(), bundle.catalogue.category_codes[0], new)
    popularity = np.log(expected).astype(np.float32)
    index = build_index(bundle.vectors, popularity)
    return Recommender(replace(bundle, log_popularity=popularity, index=index), recommender.components)


def new_item_buyers(side: SiloSide, world: ColdWorld) -> Holdout:
    """Customers with purchases before the cut-off who bought new items after it: these are the targets."""
    h = side.histories
    before, bought = h.times < world.cutoff, h.where(h.times >= world.cutoff).purchases()
    fresh = bought.where(world.new_items[bought.items] & side.assortment[bought.items])
    targets = _distinct(fresh)
    train = h.where(before)
    known = np.diff(train.purchases().offsets) > 0
    chosen = np.flatnonzero(known & (np.diff(targets.offsets) > 0))
    return Holdout(side.name, Split(train, targets, chosen), side.assortment)


def _distinct(h: Histories) -> Histories:
    pairs = (h.rows << 32) | h.items
    keep = np.zeros(len(h.items), bool)
    keep[np.unique(pairs, return_index=True)[1]] = True
    return h.where(keep)


def _add(
    tally: _Tally,
    scores: NDArray[np.float64],
    histories: Histories,
    targets: Histories,
    side: SiloSide,
    new: NDArray[np.bool_],
) -> None:
    """Rank one silo's buyers by scores; float64 [n, n_items]."""
    owned = recent_items(histories, max(len(histories.items), 1))
    masked = np.where(side.assortment, scores, -np.inf)
    masked[owned.rows, owned.items] = -np.inf
    relevant = np.diff(targets.offsets)
    own = masked[targets.rows, targets.items][:, None]
    field = masked[targets.rows]
    others = np.isfinite(field).sum(1) - 1
    below = (field < own).sum(1) - (~np.isfinite(field)).sum(1) + 0.5 * ((field == own).sum(1) - 1)
    tally.percentile.append(below / np.maximum(others, 1))
    among = _best(np.where(new, masked, -np.inf), AMONG)
    everything = _best(masked, K)
    tally.among.append(recall_at_k(hits(among, targets.offsets, targets.items), relevant, AMONG))
    tally.open.append(recall_at_k(hits(everything, targets.offsets, targets.items), relevant, K))
    tally.shown += exposure(everything, len(new))
    tally.places += int((everything >= 0).sum())


def _add_chance(tally: _Tally, targets: Histories, side: SiloSide, new: NDArray[np.bool_]) -> None:
    """What ranking at random finds, in expectation."""
    n, sold = len(targets), int((new & side.assortment).sum())
    tally.percentile.append(np.full(len(targets.items), 0.5))
    tally.among.append(np.full(n, min(AMONG / max(sold, 1), 1.0)))
    tally.open.append(np.full(n, min(K / max(int(side.assortment.sum()), 1), 1.0)))


def _best(scores: NDArray[np.float64], k: int) -> NDArray[np.int32]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores, order, 1)), order, -1).astype(np.int32)


def _mean(parts: list[NDArray[np.float64]]) -> float:
    values = np.concatenate([np.zeros(0), *parts])
    return float(values.mean()) if len(values) else np.nan
