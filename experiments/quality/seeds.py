"""A benchmark over seeds: each in a scratch folder of its own, medians, one table, one JSON object."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from experiments.quality.differences import Difference, differences
from experiments.quality.figures import HEADLINE
from experiments.quality.item_list import ItemList
from experiments.quality.methods import BASELINES
from experiments.quality.record import record
from experiments.quality.resources import peak_memory
from experiments.quality.run import QualityOptions, QualityResult, run_quality
from experiments.quality.runner import PRIVATE
from experiments.results_table import comparison_table, write_results
from recsys.errors import ConfigError
from training.progress import Progress, silent
from training.research import STAMP

SHOWN = [name for name, _, _ in HEADLINE]


@dataclass(frozen=True)
class SeededQuality:
    """Results by seed, the command that made them, and the peak memory of all."""

    command: str
    by_seed: Mapping[int, QualityResult]
    peak_rss_mb: float

    @property
    def first(self) -> QualityResult:
        """What all seeds have in common stands in each."""
        return next(iter(self.by_seed.values()))

    @property
    def lift_kept(self) -> float | None:
        """The median over seeds."""
        found = [result.lift_kept for result in self.by_seed.values()]
        known = [value for value in found if value is not None]
        return median(known) if len(known) == len(found) else None

    @property
    def differences(self) -> list[Difference]:
        """The private model against the published methods that ran, paired by customer; [] where seeds have
        item lists, and so targets, of their own."""
        runs = list(self.by_seed.values())
        if len(runs) > 1 and self.first.options.item_list is ItemList.PRIVATE:
            return []
        seeds = {name: [run.methods[name].by_customer for run in runs] for name in self.first.methods}
        published = {name: values for name, values in seeds.items() if name in BASELINES}
        return differences(seeds[PRIVATE], published) if PRIVATE in seeds else []

    def to_dict(self) -> dict[str, Any]:
        """One JSON object: of one seed its own, of several the medians, and every seed's under `seeds`."""
        results = {seed: result.to_dict() for seed, result in self.by_seed.items()}
        shared = dict(results[next(iter(results))])
        if len(results) > 1:
            shared.pop("seed")
            shared["methods"] = {
                name: _median_figures([result["methods"][name] for result in results.values()])
                for name in shared["methods"]
            }
            shared["seconds"] = round(sum(result["seconds"] for result in results.values()), 1)
        return shared | {
            "lift_kept": self.lift_kept,
            "differences": [found.to_dict() for found in self.differences],
            "peak_rss_mb": round(self.peak_rss_mb),
            "stamp": f"research data, {STAMP}",
            "command": self.command,
            "seeds": {str(seed): result for seed, result in results.items()} if len(results) > 1 else None,
        }

    def facts(self) -> list[str]:
        """What has to be known to read the table."""
        result = self.first
        spent = result.epsilon_spent
        lift = self.lift_kept
        return [
            f"{result.dataset}, protocol {result.options.protocol}; research data, {STAMP}",
            f"{result.customers:,} training customers, {result.evaluated:,} evaluated, "
            f"{result.items:,} items, {len(result.silos)} silos",
            f"person-level epsilon {result.options.epsilon:g} at delta {result.options.delta:g}, "
            "add or remove one customer, all mechanisms composed"
            + ("" if spent is None else f" (spent {spent:.3f})")
            + "; a server that sees every message is assumed",
            *result.notes,
            f"share of lift kept in {result.headline}: " + ("not known" if lift is None else f"{lift:.3f}"),
            *self._anchor_facts(),
            *self._difference_facts(),
            f"{sum(r.seconds for r in self.by_seed.values()):.0f} s, peak memory {self.peak_rss_mb:.0f} MB",
            "median over seeds, all seeds in brackets; NDCG with the ideal list cut at k; ties by "
            "popularity, then item id",
        ]

    def _anchor_facts(self) -> list[str]:
        known = [anchor for result in self.by_seed.values() for anchor in result.anchors]
        if not known:
            return []
        worst = min(known, key=lambda anchor: anchor.ratio)
        verdict = "reached" if worst.reached else "VOID: a baseline falls short"
        return [
            f"anchors (98 % of each baseline's known figure): {verdict}; the lowest is {worst.method} "
            f"{worst.metric}, {worst.measured:.4f} against {worst.known:.4f} ({worst.ratio:.3f})"
        ]

    def _difference_facts(self) -> list[str]:
        found = self.differences
        if not found:
            return []
        return [
            "private less the best published method, same customers, mean over seeds (95 % interval): "
            + "; ".join(map(str, found))
        ]

    def report(self) -> list[str]:
        """What a person reads at the end."""
        return [*(f"- {fact}" for fact in self.facts()), "", *self.table()]

    def table(self) -> list[str]:
        """A row per method as Markdown lines."""
        entries = {
            seed: {name: found.entry for name, found in result.methods.items()}
            for seed, result in self.by_seed.items()
        }
        return comparison_table(entries, SHOWN)

    def write(self, path: Path) -> None:
        """Write the results table."""
        title = f"Quality: {self.first.dataset}, {self.first.options.protocol}"
        write_results(path, title, self.command, self.facts(), self.table())


def run_all(
    options: QualityOptions,
    seeds: Sequence[int],
    *,
    command: str,
    research_data: bool,
    output: Path,
    progress: Progress = silent,
) -> SeededQuality:
    """Run every seed. Raises ConfigError unless the data were confirmed to be research data."""
    if not research_data:
        raise ConfigError(
            f"{options.data}: reads real purchases exactly, and its figures are outside the privacy claim; "
            "confirm with --research-data"
        )
    by_seed = {}
    with peak_memory() as peak:
        for seed in seeds:
            with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
                by_seed[seed] = run_quality(replace(options, seed=seed), Path(work), progress=progress)
    found = SeededQuality(command, by_seed, peak.megabytes)
    record(output, command, {seed: result.to_dict() for seed, result in by_seed.items()})
    return found


def _median_figures(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians of the numbers; everything else as in the first seed."""
    first, result = seeds[0], dict(seeds[0])
    for name, value in first.items():
        values = [figures[name] for figures in seeds]
        if isinstance(value, float) and all(isinstance(v, float) for v in values):
            result[name] = median(values)
    return result
