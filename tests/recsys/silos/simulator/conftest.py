"""One small world that the tests share; its chunks are small so that it has several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recsys.silos.simulator import SimulatedSilo, World, WorldConfig, simulated_silos, write_world

SMALL = WorldConfig(persons=400, n_items=600, chunk_persons=150, seed=3)


@pytest.fixture(scope="session")
def config() -> WorldConfig:
    return SMALL


@pytest.fixture(scope="session")
def world(config: WorldConfig) -> World:
    return World(config)


@pytest.fixture(scope="session")
def silos(config: WorldConfig) -> tuple[SimulatedSilo, ...]:
    return simulated_silos(config)


@pytest.fixture(scope="session")
def folder(config: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world")
    write_world(config, path)
    return path


@pytest.fixture
def tiny() -> WorldConfig:
    return replace(SMALL, persons=60, chunk_persons=30, n_items=200)
