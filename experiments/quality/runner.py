"""Runs the methods of a comparison by name, all on one bench."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.quality.figures import LONGEST, Figures, figures
from experiments.quality.item_list import Plans, product_plans
from experiments.quality.methods import BASELINES, Bench
from experiments.quality.prepare import Stage
from experiments.quality.private import bundle_lists
from experiments.quality.silos import Budget
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

    stage: Stage
    bench: Bench
    work: Path
    progress: Progress
    report: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def config(self) -> TrainingConfig:
        """The training configuration of the product's run and of its twin."""
        stage, ordering = self.stage, self.bench.trial.histories.ordering
        budget = self._left(product_plans(stage.settings, stage.dealt, stage.budget, ordering))
        return stage.settings.training(stage.dealt, budget, seed=self.bench.seed, output=self.work / "run")

    def _left(self, plans: Plans) -> Budget:
        """What a private item list leaves of the budget for a run with such plans."""
        budget, paid = self.stage.budget, self.stage.paid
        return budget if paid is None else Budget(paid.left(plans, budget), budget.delta)

    def measured(self, name: str) -> Figures:
        """Fit, rank and measure one method."""
        self.progress(name, 0, 1)
        begin = time.perf_counter()
        lists, chosen = self._lists(name)
        result = figures(
            lists,
            self.bench.trial,
            self.bench.popularity,
            (self.stage.dealt.names, self.stage.dealt.silo_of),
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
        from experiments.quality.plain_dpsgd import plain_plan, train_plain_dpsgd

        trial, delta = self.bench.trial, self.stage.budget.delta
        budget = self._left(lambda epsilon: plain_plan(Budget(epsilon, delta), len(trial.learned)))
        model = train_plain_dpsgd(trial, self.stage.data.catalogue, self.config, budget)
        return self.bench.lists(model)
