"""What tests of whole trainings share: a small simulated world, made once, and settings for a short run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.silos.simulator.config import DEFAULT_SILOS, WorldConfig
from recsys.silos.simulator.files import write_world


@pytest.fixture(scope="session")
def small_settings() -> list[str]:
    """`key=value` settings of a training that takes a second: five steps in blocks of two, two and one."""
    return [
        "copurchase.top_items=60",
        "copurchase.rank=4",
        "towers.steps=5",
        "towers.embedding_dim=4",
        "towers.sampling_rate=0.2",
        "checkpoint_every=2",
    ]


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three silos, a person in at most two of them; not to be written to (see `world`)."""
    folder = tmp_path_factory.mktemp("small") / "world"
    write_world(WorldConfig(persons=300, n_items=240, weeks=6, silos=DEFAULT_SILOS[:3]), folder)
    return folder


@pytest.fixture
def world(small_world: Path, tmp_path: Path) -> Path:
    """A copy of the small world of the test's own, with ledgers of its own."""
    return Path(shutil.copytree(small_world, tmp_path / "world"))


@pytest.fixture(scope="session")
def new_output(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes output folders that have an empty MLflow database: making a new one takes seconds."""
    from mlflow import MlflowClient

    database = tmp_path_factory.mktemp("registry") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_registered_models()

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(database, folder / "mlflow.db")
        return folder

    return make
