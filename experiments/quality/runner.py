"""Runs the methods of a comparison by name, all on one bench."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.quality.figures import LONGEST, Figures, figures
from experiments.quality.methods import BASELINES, Bench
from experiments.quality.private import Settings, bundle_lists
from experiments.quality.silos import Budget, Dealt
from experiments.quality.tables import Purchases
from experiments.twin import train_twin
from recsys.bundle.store import read_bundle
from recsys.models.baselines.scoring import Ranked
from training.config import TrainingConfig
from training.progress import Progress
from training.run import run_training

PRIVATE, TWIN, PLAIN = "private", "non_private_twin", "plain_dpsgd"
METHODS = (PRIVATE, TWIN, *BASELINES, PLAIN)


@dataclass
class Runner:
    """What all methods share. report: of the private training run, once it has run."""

    data: Purchases
    bench: Bench
    dealt: Dealt
    settings: Settings
    budget: Budget
    work: Path
    progress: Progress
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> TrainingConfig:
        """The training configuration of the product's run and of its twin."""
        return self.settings.training(self.dealt, self.budget, seed=self.bench.seed, output=self.work / "run")

    def measured(self, name: str) -> Figures:
        """Fit, rank and measure one method."""
        self.progress(name, 0, 1)
        begin = time.perf_counter()
        lists, chosen = self._lists(name)
        result = figures(
            lists,
            self.bench.trial,
            self.bench.popularity,
            (self.dealt.names, self.dealt.silo_of),
            private=name in (PRIVATE, PLAIN),
            seconds=time.perf_counter() - begin,
            chosen=chosen,
        )
        self.progress(name, 1, 1)
        return result

    def _lists(self, name: str) -> tuple[Ranked, Mapping[str, Any]]:
        special: dict[str, Callable[[], Ranked]] = {
            PRIVATE: self._private,
            TWIN: self._twin,
            PLAIN: self._plain,
        }
        if name in special:
            return special[name](), {}
        fitted = BASELINES[name](self.bench)
        return self.bench.lists(fitted.model), fitted.chosen

    def _private(self) -> Ranked:
        trained = run_training(self.config, progress=self.progress)
        self.report |= trained.report
        return bundle_lists(read_bundle(trained.bundle_folder), self.bench.trial, LONGEST)

    def _twin(self) -> Ranked:
        return bundle_lists(train_twin(self.config), self.bench.trial, LONGEST)

    def _plain(self) -> Ranked:
        from experiments.quality.plain_dpsgd import train_plain_dpsgd

        model = train_plain_dpsgd(self.bench.trial, self.data.catalogue, self.config, self.budget)
        return self.bench.lists(model)
