"""One benchmark run: read, split, train privately, fit every other method, measure all on the same split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.quality.anchors import Anchor, anchors
from experiments.quality.figures import Figures
from experiments.quality.item_list import ItemList
from experiments.quality.methods import Bench
from experiments.quality.options import QualityOptions
from experiments.quality.prepare import prepare
from experiments.quality.runner import METHODS, PRIVATE, Runner
from training.progress import Progress, silent

__all__ = ["METHODS", "QualityOptions", "QualityResult", "run_quality"]


@dataclass(frozen=True)
class QualityResult:
    """One seed's figures by method, and what has to be known of them.

    customers: that train; evaluated: that were ranked for; report: of the private training run
    list_epsilon: what a private item list cost of the budget
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
    list_epsilon: float | None = None

    @property
    def epsilon_spent(self) -> float | None:
        """Person-level, by the silos' ledgers: of list and main run together; None if neither ran."""
        spent = self.report.get("person_epsilon_lifetime", self.list_epsilon)
        return None if spent is None else float(spent)

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
        """Known figures of the baselines that ran, with what they reached; of the benchmark's list alone."""
        if self.options.item_list is ItemList.PRIVATE:
            return ()
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
            "item_list": str(self.options.item_list),
            "item_list_epsilon": self.list_epsilon,
            "epsilon_spent": self.epsilon_spent,
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
    stage = prepare(options, work, progress)
    data, trial, dealt = stage.data, stage.trial, stage.dealt
    runner = Runner(stage, Bench(trial, options.protocol, options.seed), work, progress)
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
        notes=(*trial.notes, dealt.rule, *stage.notes, *data.notes),
        report=runner.report,
        list_epsilon=None if stage.paid is None else stage.paid.epsilon,
    )
