"""A small simulated world, generated once; each test that trains gets a copy with ledgers of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world

SMALL = [
    "copurchase.top_items=60",
    "copurchase.rank=4",
    "towers.steps=5",
    "towers.embedding_dim=4",
    "towers.sampling_rate=0.2",
    "checkpoint_every=2",
]


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    write_world(WorldConfig(persons=300, n_items=240, weeks=6), folder)
    return folder


@pytest.fixture
def world(small_world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_world, tmp_path / "world"))


@pytest.fixture
def configured(world: Path, tmp_path: Path) -> Callable[..., "TrainingConfig"]:  # noqa: F821
    from training.config import load_config

    def make(*overrides: str):
        options = {"federation": world / "federation.toml", "output": tmp_path / "out"}
        return load_config(None, [*SMALL, *overrides], options)

    return make
