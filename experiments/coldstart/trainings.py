"""The private trainings that are compared: with all silos, without one, with one alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments.coldstart.options import ColdStartOptions
from experiments.coldstart.world import ColdWorld
from experiments.quality.private import merged
from recsys.bundle.store import read_bundle
from recsys.recommend.pipeline import Recommender
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml
from training.progress import Progress, silent
from training.run import run_training

CONFIG = Path(__file__).parents[1] / "configs" / "bench" / "scale.toml"


@dataclass(frozen=True)
class Trainings:
    """Trains on parts of one world; every training spends the same person-level epsilon.

    work: a folder for the runs
    """

    world: ColdWorld
    options: ColdStartOptions
    seed: int
    work: Path
    progress: Progress = silent

    def train(self, name: str, silos: Sequence[str]) -> tuple[Recommender, float]:
        """A recommender of these silos' private training, and the person-level epsilon that was spent."""
        result = run_training(self._config(name, silos), progress=self.progress)
        return Recommender(read_bundle(result.bundle_folder)), float(result.report["person_epsilon"])

    def _config(self, name: str, silos: Sequence[str]) -> TrainingConfig:
        run = {
            "federation": self.world.federation(name, silos, epsilon_cap=2.0 * self.options.epsilon),
            "output": self.work / name,
            "model_name": f"cold-start-{name}",
            "seed": self.seed,
            "until": datetime.fromtimestamp(self.world.cutoff, UTC),
            "threads": 1,
            "privacy": {"epsilon": self.options.epsilon, "delta": self.options.delta},
        }
        return parse_config(merged(read_toml(CONFIG), run), source=str(CONFIG))
