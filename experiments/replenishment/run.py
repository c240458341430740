"""One benchmark: read, cut, train privately for every seed, forecast by other methods, measure all alike."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.quality.private import Settings, merged
from experiments.quality.resources import peak_memory
from experiments.quality.silos import Budget, Dealt, by_customer, deal
from experiments.quality.tables import Purchases, read_purchases
from experiments.replenishment.due_list import WITHIN, DueLists
from experiments.replenishment.figures import MethodFigures, method_figures
from experiments.replenishment.methods import BASELINES, METHODS, PRIVATE, TWIN, Answer, Known
from experiments.replenishment.options import ReplenishmentOptions
from experiments.replenishment.outcomes import Outcomes
from experiments.replenishment.protocol import Cut, cut
from experiments.replenishment.published import published_answer
from experiments.replenishment.record import record
from experiments.replenishment.report import Replenishment
from experiments.twin import train_twin
from recsys.bundle.contents import Bundle
from recsys.bundle.store import read_bundle
from recsys.data.history import SECONDS_PER_DAY
from recsys.errors import ConfigError
from training.config import TrainingConfig
from training.progress import Progress, silent
from training.run import run_training

PRESET = "replenishment"


@dataclass
class Runner:
    """What all methods share. work: a scratch folder; reports: of the private training runs by seed"""

    options: ReplenishmentOptions
    data: Purchases
    cut: Cut
    dealt: Dealt
    settings: Settings
    work: Path
    progress: Progress = silent
    reports: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, options: ReplenishmentOptions, work: Path, progress: Progress) -> Runner:
        """Read, cut, write the silos. Errors: ConfigError, DataContractError."""
        progress("data", 0, 1)
        settings = Settings.of(PRESET, options.config)
        data = read_purchases(options.data)
        made = cut(data, options.cutoff)
        budget = Budget(options.epsilon, options.delta)
        dealt = deal(data, made.trial, by_customer(data, made.trial, options.silos), budget, work / "silos")
        progress("data", 1, 1)
        return cls(options, data, made, dealt, settings, work, progress)

    @cached_property
    def _shared(self) -> tuple[Outcomes, DueLists]:
        made = self.cut
        judged = made.judged
        return Outcomes.of(made.pairs.customers[judged], made.next[judged], made.ahead), DueLists(made)

    def measured(self, name: str, seed: int) -> MethodFigures:
        """Train or fit, forecast, measure."""
        self.progress(name, 0, 1)
        begin = time.perf_counter()
        answer = self._answer(name, seed)
        seconds = time.perf_counter() - begin
        outcomes, lists = self._shared
        found = method_figures(
            answer.forecast.where(self.cut.judged),
            outcomes,
            lists.figures(answer),
            private=name == PRIVATE,
            seconds=seconds,
            chosen=answer.chosen,
        )
        self.progress(name, 1, 1)
        return found

    def _answer(self, name: str, seed: int) -> Answer:
        known = self.cut.known
        if name in BASELINES:
            return BASELINES[name](Known(known, self.cut.pairs, self.data.catalogue, seed))
        config = self._config(name, seed)
        bundle = train_twin(config) if name == TWIN else self._private(config, seed)
        return published_answer(bundle, known, self.cut.pairs, WITHIN)

    def _config(self, name: str, seed: int) -> TrainingConfig:
        budget = Budget(self.options.epsilon, self.options.delta)
        # That data are complete up to the cut-off is public: what was not bought until then is known.
        until = {"until": datetime.fromtimestamp(self.cut.day * SECONDS_PER_DAY, UTC)}
        settings = Settings(merged(self.settings.values, until), self.settings.source)
        return settings.training(self.dealt, budget, seed=seed, output=self.work / f"{name}-{seed}")

    def _private(self, config: TrainingConfig, seed: int) -> Bundle:
        trained = run_training(config, progress=self.progress)
        self.reports[seed] = trained.report
        return read_bundle(trained.bundle_folder)


def run_all(
    options: ReplenishmentOptions,
    seeds: Sequence[int],
    *,
    command: str,
    research_data: bool,
    output: Path,
    plots: Path | None = None,
    progress: Progress = silent,
) -> Replenishment:
    """Train and measure; what has no noise runs once and stands beside every seed.

    plots: a folder that the reliability plot is written to as well. Raises ConfigError unless the data were
    confirmed to be research data, and the errors of `Runner.prepare` and `run_training`.
    """
    if not research_data:
        raise ConfigError(
            f"{options.data}: reads real purchases exactly, and its figures are outside the privacy claim; "
            "confirm with --research-data"
        )
    begin = time.perf_counter()
    with peak_memory() as peak:
        by_seed: dict[int, dict[str, MethodFigures]] = {}
        reports: dict[int, Mapping[str, Any]] = {}
        facts: Runner | None = None
        once: dict[str, MethodFigures] = {}
        for seed in seeds:
            # Every seed is a run of its own, with ledgers of its own.
            with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
                runner = Runner.prepare(options, Path(work), progress)
                for name in METHODS:
                    if name in options.methods and (name == PRIVATE or name not in once):
                        once[name] = runner.measured(name, seed)
                by_seed[seed] = {name: once[name] for name in METHODS if name in once}
                reports |= runner.reports
                facts = runner
    assert facts is not None
    found = Replenishment.of(
        options,
        facts.data,
        facts.cut,
        facts.dealt,
        command=command,
        by_seed=by_seed,
        reports=reports,
        seconds=time.perf_counter() - begin,
        peak_rss_mb=peak.megabytes,
    )
    record(output, found, plots)
    return found
