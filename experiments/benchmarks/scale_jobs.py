"""One size of the scale benchmark: make the world, train privately on it, judge the model. Each is a job."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as midnight
from pathlib import Path
from typing import Any

from experiments.quality.private import Settings, merged
from experiments.quality.protocols import Protocol
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.config_file import parse_config

CONFIG = Path(__file__).parents[1] / "configs" / "bench" / "scale.toml"
HELD_OUT_DAYS = 14
EXPECTED_BATCH = 2_000
"""Customers in a step of the towers, all silos together: a public constant, so all sizes cost alike."""
MOST_SAMPLED = 0.1
PATIENCE_SECONDS = 7_200.0
DELTA = 1e-6


@dataclass(frozen=True)
class Size:
    """What one job is about.

    work: a folder of this size's own; silos are disjoint; threads: silos that work at a time
    """

    customers: int
    items: int
    silos: int
    epsilon: float
    work: Path
    seed: int = 0
    threads: int = 2

    @property
    def world(self) -> WorldConfig:
        """The frozen world at this size."""
        return WorldConfig.disjoint(self.silos, persons=self.customers, n_items=self.items)

    @property
    def delta(self) -> float:
        """Of the claim: 1e-6, or a tenth of one customer's share where that is less."""
        return min(DELTA, 0.1 / self.customers)

    @property
    def federation(self) -> Path:
        """Where the world's federation.toml is, once it has been written."""
        return self.work / "world" / "federation.toml"

    @property
    def until(self) -> datetime:
        """The cut-off: later purchases are held out."""
        first = self.world.last_day - timedelta(days=HELD_OUT_DAYS - 1)
        return datetime.combine(first, midnight(), UTC)

    def training(self) -> TrainingConfig:
        """The configuration of the private run, and of its twin."""
        settings = Settings.of(Protocol.TEMPORAL, CONFIG)
        run = {
            "federation": self.federation,
            "output": self.work / "run",
            "model_name": "scale",
            "seed": self.seed,
            "until": self.until,
            "deadline_seconds": PATIENCE_SECONDS,
            "threads": self.threads,
            "privacy": {"epsilon": self.epsilon, "delta": self.delta},
            "towers": {"sampling_rate": min(MOST_SAMPLED, EXPECTED_BATCH / self.customers)},
        }
        return parse_config(merged(settings.values, run), source=str(CONFIG))


def make_world(size: Size) -> dict[str, Any]:
    """Write the world, unless an earlier run wrote it whole; seconds and bytes."""
    begin = time.perf_counter()
    if not size.federation.exists():
        write_world(size.world, size.work / "world")
    files = [path for path in (size.work / "world").rglob("*.parquet") if path.is_file()]
    return {"seconds": time.perf_counter() - begin, "bytes": sum(path.stat().st_size for path in files)}


def train(size: Size) -> dict[str, Any]:
    """The whole private training, from reading the silos' files to the published bundle."""
    from training.run import run_training

    begin, worked = time.perf_counter(), time.process_time()
    trained = run_training(size.training())
    report = trained.report
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - worked,
        "stages": {name: round(seconds, 2) for name, seconds in report["seconds"].items()},
        "epsilon": report["person_epsilon"],
        "delta": report["delta"],
        "max_silos_per_person": report["max_silos_per_person"],
        "bundle": str(trained.bundle_folder),
    }


def train_the_twin(size: Size) -> dict[str, Any]:
    """The non-private twin on the same silos."""
    from experiments.twin import train_twin

    begin = time.perf_counter()
    train_twin(size.training())
    folders = sorted(
        (size.work / "run" / "twin").rglob("manifest.json"), key=lambda path: path.stat().st_mtime
    )
    return {"seconds": time.perf_counter() - begin, "bundle": str(folders[-1].parent)}
