"""How good the models of one size are: the first basket after the cut-off, some customers of every silo."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.scale_jobs import Size
from experiments.holdout import concatenate
from experiments.quality.figures import LONGEST, Figures, figures
from experiments.quality.methods import BASELINES, Bench
from experiments.quality.protocols import Protocol
from experiments.quality.trial import Trial
from recsys.bundle.store import read_bundle
from recsys.data.consent import consented_for_training
from recsys.data.dataset import Dataset
from recsys.data.history import Histories
from recsys.data.split import temporal_events
from recsys.data.vocab import Catalogue
from recsys.models.baselines.ease import Ease, regression
from recsys.models.baselines.matrices import indicators
from recsys.models.baselines.scoring import Baseline, Ranked, rank_all
from recsys.recommend.pipeline import Recommender
from recsys.seeds import rng
from recsys.silos.check import read_for_training
from recsys.silos.config import FederationConfig, SiloConfig

MOST_ITEMS = 4_000
"""A catalogue up to here has its items' whole matrix summed over all customers."""
METRICS = ("recall_at_10", "recall_at_20", "new_recall_at_10", "new_recall_at_20")


@dataclass(frozen=True, eq=False)
class Judged:
    """The customers that methods are compared on, and the pool that neighbourhood methods learn from.

    everything: histories of the pool with all events; trial: their purchases, split at the cut-off
    silo_of: int64 [pool]; assortments: bool [silos, n_items]; learners: how many customers train in all;
    gram: X'X over the purchases of all of them before the cut-off, float64 [n_items, n_items]; None where the
    catalogue is too large for it
    """

    names: tuple[str, ...]
    everything: Histories
    trial: Trial
    silo_of: NDArray[np.int64]
    assortments: NDArray[np.bool_]
    gram: NDArray[np.float64] | None
    learners: int
    cutoff: int

    @classmethod
    def read(cls, size: Size, *, pool: int, sample: int) -> Judged:
        """Read silo after silo. pool, sample: customers of all silos together at most, drawn by the seed."""
        federation = FederationConfig.load(size.federation)
        catalogue, configs = federation.read_catalogue(), federation.silo_configs()
        cutoff, n_items = int(size.until.timestamp()), len(catalogue)
        assortments = np.zeros((len(configs), n_items), bool)
        gram = np.zeros((n_items, n_items)) if n_items <= MOST_ITEMS else None
        learners, parts, silo_of = 0, list[Histories](), list[int]()
        for number, config in enumerate(configs):
            histories, assortments[number] = _read(config, catalogue, federation)
            if gram is not None:
                shown = indicators(histories.where(histories.times < cutoff).purchases(), n_items)
                gram += (shown.T @ shown).toarray()
            learners += len(histories)
            chosen = _drawn(size, config.name, len(histories), pool // len(configs))
            parts.append(histories.select(chosen))
            silo_of += [number] * len(chosen)
        everything = concatenate(parts)
        names = tuple(config.name for config in configs)
        trial = _trial(everything.purchases(), n_items, cutoff).sample(
            sample, rng(size.seed, "scale", "sample")
        )
        return cls(names, everything, trial, np.array(silo_of), assortments, gram, learners, cutoff)

    @property
    def silos(self) -> NDArray[np.int64]:
        """The silo of every evaluated customer."""
        return self.silo_of[self.trial.customers]

    def by_silo(self, rank: Callable[[NDArray[np.int64], NDArray[np.bool_]], Ranked]) -> Ranked:
        """Lists silo after silo; `rank`: (rows among the evaluated customers, the assortment) -> lists."""
        overall = np.full((len(self.trial.customers), LONGEST), -1, np.int32)
        fresh = overall.copy()
        for number, assortment in enumerate(self.assortments):
            rows = np.flatnonzero(self.silos == number)
            if len(rows):
                lists = rank(rows, assortment)
                overall[rows], fresh[rows] = lists.overall, lists.fresh
        return Ranked(overall, fresh)


def judge(size: Size, bundles: Mapping[str, Path], *, pool: int, sample: int) -> dict[str, Any]:
    """Figures by method, the share of lift kept in every metric, and which non-private method is best.

    bundles: `private` and, if there is one, `non_private_twin`.
    """
    begin = time.perf_counter()
    judged = Judged.read(size, pool=pool, sample=sample)
    bench = Bench(judged.trial, Protocol.TEMPORAL, size.seed)
    found = {name: _bundle(judged, bench, path, private=name == "private") for name, path in bundles.items()}
    for name in BASELINES:
        found[name] = _baseline(judged, bench, name)
    return {
        "seconds": time.perf_counter() - begin,
        "evaluated": len(judged.trial.customers),
        "pool": len(judged.everything),
        "learners": judged.learners,
        "lift": {metric: lift(found, metric) for metric in METRICS},
        "methods": {name: result.to_dict() for name, result in found.items()},
    }


def lift(found: Mapping[str, Figures], metric: str) -> dict[str, Any]:
    """Share of lift kept in a metric: (private - popularity) / (best non-private - popularity)."""
    values = {name: result.entry.values[metric] for name, result in found.items()}
    best = max((n for n, result in found.items() if not result.entry.private), key=lambda n: values[n])
    gained = values[best] - values["popularity"]
    kept = (values["private"] - values["popularity"]) / gained if gained > 0.0 else None
    return {"kept": kept, "best": best, "best_value": values[best], "popularity": values["popularity"]}


def _read(
    config: SiloConfig, catalogue: Catalogue, federation: FederationConfig
) -> tuple[Histories, NDArray[np.bool_]]:
    silo = config.base_silo()
    tables = read_for_training(silo, catalogue)
    consented = consented_for_training(
        tables.interactions,
        tables.customers,
        max_silos_per_person=federation.max_silos_per_person,
        silos=len(federation.silos),
    )
    dataset = Dataset.build(consented, catalogue, ordering=silo.ordering, max_events_per_customer=None)
    assortment = np.zeros(len(catalogue), bool)
    assortment[catalogue.indices(tables.items["item_id"])] = True
    return dataset.histories, assortment


def _drawn(size: Size, silo: str, customers: int, most: int) -> NDArray[np.int64]:
    if customers <= most:
        return np.arange(customers)
    return np.sort(rng(size.seed, "scale", "pool", silo).choice(customers, most, replace=False))


def _trial(purchases: Histories, n_items: int, cutoff: int) -> Trial:
    everything = np.ones(len(purchases.items), bool)
    nobody, metric = np.zeros(0, np.int64), "recall_at_20"
    base = Trial(purchases, n_items, everything, everything, ~everything, nobody, "relevant", False, metric)
    return base.replaced(temporal_events(purchases, cutoff))


def _bundle(judged: Judged, bench: Bench, folder: Path, *, private: bool) -> Figures:
    begin = time.perf_counter()
    recommender = Recommender(read_bundle(folder))
    every = judged.everything.select(judged.trial.customers)
    seen = every.where(every.times < judged.cutoff)

    def rank(rows: NDArray[np.int64], assortment: NDArray[np.bool_]) -> Ranked:
        shown = seen.select(rows)
        return Ranked(
            recommender.rank(shown, LONGEST, candidates=assortment),
            recommender.rank(shown, LONGEST, new_only=True, candidates=assortment),
        )

    return _figures(judged, bench, judged.by_silo(rank), begin, {}, private=private)


def _baseline(judged: Judged, bench: Bench, name: str) -> Figures:
    begin = time.perf_counter()
    fitted = BASELINES[name](bench)
    model, chosen = fitted.model, dict(fitted.chosen)
    pool = len(judged.everything)
    if isinstance(model, Ease) and judged.gram is not None and judged.learners > pool:
        # All customers say more than the pool; the ridge grows with their number as the sums do.
        ridge = chosen["ridge"] * judged.learners / pool
        gram = judged.gram[np.ix_(model.items, model.items)].astype(np.float32)
        model = Ease(regression(gram, ridge), model.items, model.n_items)
        chosen |= {"ridge": ridge, "customers": judged.learners}
    else:
        chosen |= {"customers": pool}
    shown = judged.trial.shown

    def rank(rows: NDArray[np.int64], assortment: NDArray[np.bool_]) -> Ranked:
        masked = _Masked(model, assortment)
        return rank_all(masked, shown.select(rows), bench.popularity, LONGEST)

    return _figures(judged, bench, judged.by_silo(rank), begin, chosen, private=False)


@dataclass(frozen=True)
class _Masked:
    """A method that recommends what a silo sells."""

    model: Baseline
    assortment: NDArray[np.bool_]

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        return np.where(self.assortment, self.model.scores(histories), np.float32(-np.inf))


def _figures(
    judged: Judged, bench: Bench, lists: Ranked, begin: float, chosen: dict[str, Any], *, private: bool
) -> Figures:
    return figures(
        lists,
        judged.trial,
        bench.popularity,
        (judged.names, judged.silos),
        private=private,
        seconds=time.perf_counter() - begin,
        chosen=chosen,
    )
