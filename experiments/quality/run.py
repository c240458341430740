"""One benchmark run: read, split, train privately, fit every other method, measure all on the same split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from experiments.quality.anchors import Anchor, anchors
from experiments.quality.figures import Figures
from experiments.quality.methods import Bench
from experiments.quality.private import Settings
from experiments.quality.protocols import Protocol, split
from experiments.quality.runner import METHODS, PRIVATE, Runner
from experiments.quality.silos import Budget, deal_customers, deal_purchases
from experiments.quality.tables import Purchases, read_purchases
from recsys.errors import ConfigError
from recsys.models.baselines.popularity import item_counts
from training.progress import Progress, silent

__all__ = ["METHODS", "QualityOptions", "QualityResult", "restricted", "run_quality"]


@dataclass(frozen=True)
class QualityOptions:
    """What is asked of a benchmark run; the command line's options by name.

    silos: a number, or `column:NAME`; items: how many of the most bought items are kept, None for all
    methods: which methods run; max_silos_per_person: for silos by a column
    """

    data: Path
    protocol: Protocol
    silos: str
    epsilon: float
    delta: float = 1e-6
    seed: int = 0
    items: int | None = None
    cutoff: date | None = None
    config: Path | None = None
    methods: Sequence[str] = METHODS
    max_silos_per_person: int = 1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods) - set(METHODS))
        if unknown:
            raise ConfigError(f"--methods {unknown[0]!r}: unknown; choose from {', '.join(METHODS)}")
        column = self.silos.partition("column:")[2]
        if not column and not (self.silos.isdecimal() and int(self.silos) >= 1):
            raise ConfigError(f"--silos {self.silos!r}: write a number of silos, or column:NAME")
        if self.items is not None and self.items < 100:
            raise ConfigError(
                f"--items {self.items}: keep at least 100 items, since lists of 100 are measured"
            )

    @property
    def column(self) -> str | None:
        """The column that tells silos apart, if it is one."""
        return self.silos.partition("column:")[2] or None


@dataclass(frozen=True)
class QualityResult:
    """One seed's figures by method, and what has to be known of them.

    customers: that train; evaluated: that were ranked for; report: of the private training run
    """

    options: QualityOptions
    dataset: str
    customers: int
    evaluated: int
    items: int
    silos: Sequence[str]
    headline: str
    methods: Mapping[str, Figures]
    seconds: float
    notes: tuple[str, ...]
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lift_kept(self) -> float | None:
        """(private - popularity) / (best non-private - popularity) in the headline metric, or None."""
        values = {name: found.entry.values[self.headline] for name, found in self.methods.items()}
        if not {PRIVATE, "popularity"} <= set(values):
            return None
        others = [values[n] for n, found in self.methods.items() if not found.entry.private]
        gained = max(others) - values["popularity"]
        return (values[PRIVATE] - values["popularity"]) / gained if gained > 0.0 else None

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Known figures of the baselines that ran, with what they reached here."""
        measured = {name: found.entry.values for name, found in self.methods.items()}
        return anchors(self.dataset, self.options.protocol, self.options.items, measured)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "dataset": self.dataset,
            "protocol": str(self.options.protocol),
            "customers": self.customers,
            "evaluated": self.evaluated,
            "items": self.items,
            "silos": len(self.silos),
            "silo_names": list(self.silos),
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.report.get("person_epsilon"),
            "max_silos_per_person": self.report.get("max_silos_per_person"),
            "delta": self.options.delta,
            "seed": self.options.seed,
            "headline": self.headline,
            "lift_kept": self.lift_kept,
            "seconds": round(self.seconds, 1),
            "anchors": [anchor.to_dict() for anchor in self.anchors],
            "void": not all(anchor.reached for anchor in self.anchors),
            "notes": list(self.notes),
            "methods": {name: found.to_dict() for name, found in self.methods.items()},
        }


def run_quality(options: QualityOptions, work: Path, *, progress: Progress = silent) -> QualityResult:
    """Run one seed in the (empty or new) folder `work`. Errors: ConfigError, and those of `run_training`."""
    begin = time.perf_counter()
    settings = Settings.of(options.protocol, options.config)
    progress("data", 0, 1)
    data = restricted(read_purchases(options.data, options.column), options.items)
    trial = split(data, options.protocol, cutoff=options.cutoff)
    budget = Budget(options.epsilon, options.delta)
    if options.column:
        dealt = deal_purchases(data, trial, options.max_silos_per_person, budget, work / "silos")
    else:
        dealt = deal_customers(data, trial, int(options.silos), budget, work / "silos")
    progress("data", 1, 1)
    bench = Bench(trial, options.protocol, options.seed)
    runner = Runner(data, bench, dealt, settings, budget, work, progress)
    found = {name: runner.measured(name) for name in METHODS if name in options.methods}
    return QualityResult(
        options=options,
        dataset=data.name,
        customers=len(trial.learners),
        evaluated=len(trial.customers),
        items=trial.n_items,
        silos=dealt.names,
        headline=trial.headline,
        methods=found,
        seconds=time.perf_counter() - begin,
        notes=(*trial.notes, dealt.rule, *data.notes),
        report=runner.report,
    )


def restricted(data: Purchases, items: int | None) -> Purchases:
    """The data set with its `items` most bought items alone: the published list of the benchmark."""
    if items is None or items >= len(data.catalogue):
        return data
    counts = item_counts(data.histories, len(data.catalogue))
    chosen = np.argsort(-counts, kind="stable")[:items]
    return data.among(
        chosen, f"the {items:,} most bought items of the data set, as in the published protocol"
    )
