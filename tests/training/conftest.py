"""A small simulated world, generated once; each test that trains gets a copy with ledgers of its own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig, load_config
from training.run import TrainingResult, run_training

SMALL = [
    "copurchase.top_items=60",
    "copurchase.rank=4",
    "towers.steps=5",
    "towers.embedding_dim=4",
    "towers.sampling_rate=0.2",
    "checkpoint_every=2",
]


@dataclass(frozen=True)
class Trained:
    """A finished run, what it was told, and what it showed while it ran."""

    result: TrainingResult
    config: TrainingConfig
    shown: list[tuple[str, int, int]]


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    write_world(WorldConfig(persons=300, n_items=240, weeks=6), folder)
    return folder


@pytest.fixture(scope="session")
def small_settings() -> list[str]:
    return SMALL


@pytest.fixture
def world(small_world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_world, tmp_path / "world"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def configured(world: Path, registry: Path, tmp_path: Path) -> Callable[..., TrainingConfig]:
    def make(*overrides: str) -> TrainingConfig:
        options = {"federation": world / "federation.toml", "output": tmp_path / "out"}
        if not (tmp_path / "out").exists():
            (tmp_path / "out").mkdir()
            shutil.copy(registry, tmp_path / "out")
        return load_config(None, [*SMALL, *overrides], options)

    return make


@pytest.fixture(scope="session")
def trained(small_world: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(small_world, root / "world")
    (root / "out").mkdir()
    shutil.copy(registry, root / "out")
    options = {"federation": root / "world" / "federation.toml", "output": root / "out"}
    config = load_config(None, SMALL, options)
    shown: list[tuple[str, int, int]] = []
    result = run_training(config, progress=lambda *event: shown.append(event))
    return Trained(result, config, shown)
