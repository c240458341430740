"""A study over several seeds: each in a scratch folder of its own, medians over all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from experiments.results_table import comparison_table, write_results
from experiments.spec import FileData, StudySpec, load_spec
from experiments.study import StudyResult, run_study
from recsys.errors import ConfigError
from recsys.words import counted
from training.progress import Progress, silent
from training.research import STAMP


@dataclass(frozen=True)
class SeededStudy:
    """A study's results by seed, and the command that made them."""

    spec: StudySpec
    command: str
    by_seed: Mapping[int, StudyResult]

    @property
    def stamp(self) -> str:
        """What may be claimed of the figures."""
        return f"research data, {STAMP}" if isinstance(self.spec.data, FileData) else "simulated data"

    @property
    def person_epsilon(self) -> float:
        """The largest person-level epsilon of all seeds; each seed is a run of its own."""
        return max(float(result.training.report["person_epsilon"]) for result in self.by_seed.values())

    def lift(self) -> float:
        """Median over seeds of new-item Recall@20 of the private model over that of popularity."""
        return median(
            result.methods["private"].values["new_recall_at_20"]
            / result.methods["popularity"].values["new_recall_at_20"]
            for result in self.by_seed.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        by_seed = {str(seed): result.to_dict() for seed, result in self.by_seed.items()}
        return {"study": self.spec.name, "stamp": self.stamp, "new_lift": self.lift(), "seeds": by_seed}

    def table(self) -> list[str]:
        """The methods' figures as Markdown lines."""
        return comparison_table({seed: result.methods for seed, result in self.by_seed.items()})

    def facts(self) -> list[str]:
        """What has to be known to read the table."""
        report = next(iter(self.by_seed.values())).training.report
        return [
            f"{self.stamp}; {counted(len(report['silos']), 'silo')}, one person's records in at most "
            f"{report['max_silos_per_person']} of them",
            f"person-level epsilon {self.person_epsilon:.3f} at delta {report['delta']:g}, add or remove one "
            "customer, all mechanisms composed; a server that sees every message is assumed",
            f"new-item Recall@20 over popularity's (exact, each silo's own): {self.lift():.3f}",
            "median over seeds, all seeds in brackets; NDCG with the ideal list cut at k; recall: hits over "
            "all relevant items",
        ]

    def write(self, path: Path) -> None:
        """Write the results table."""
        write_results(path, f"Study {self.spec.name}", self.command, self.facts(), self.table())


def run_seeds(
    study: Path, *, data: Path | None, seeds: str, research_data: bool, progress: Progress = silent
) -> SeededStudy:
    """Run a study once per seed. Raises ConfigError for seeds that are none, or unconfirmed research data."""
    spec = load_spec(study)
    numbers = seed_numbers(seeds)
    if isinstance(spec.data, FileData) and not research_data:
        raise ConfigError(
            f"{study}: reads real purchases, and its figures are outside the privacy claim; "
            "confirm with --research-data"
        )
    by_seed = {}
    for seed in numbers:
        with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
            by_seed[seed] = run_study(spec, seed=seed, data=data, work=Path(work), progress=progress)
    confirmed = " --data DIR --research-data" if research_data else ""
    command = f"thousandfaces evaluate {study} --seeds {seeds}{confirmed}"
    return SeededStudy(spec, command, by_seed)


def seed_numbers(text: str) -> list[int]:
    """Seeds separated by commas. Raises ConfigError for anything else."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--seeds {text!r}: write whole numbers separated by commas, such as 0,1,2"
        ) from None
