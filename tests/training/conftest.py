"""Configurations over a small world, and one finished run for all tests that only look."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from training.config import TrainingConfig
from training.config_file import load_config
from training.run import TrainingResult, run_training


@dataclass(frozen=True)
class Trained:
    """A finished run, what it was told, and what it showed while it ran."""

    result: TrainingResult
    config: TrainingConfig
    shown: list[tuple[str, int, int]]


@pytest.fixture
def configured(
    world: Path, small_settings: list[str], new_output: Callable[[Path], Path], tmp_path: Path
) -> Callable[..., TrainingConfig]:
    output = new_output(tmp_path / "out")

    def make(*overrides: str) -> TrainingConfig:
        options = {"federation": world / "federation.toml", "output": output}
        return load_config(None, [*small_settings, *overrides], options)

    return make


@pytest.fixture(scope="session")
def trained(
    small_world: Path,
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(small_world, root / "world")
    options = {"federation": root / "world" / "federation.toml", "output": new_output(root / "out")}
    config = load_config(None, small_settings, options)
    shown: list[tuple[str, int, int]] = []
    result = run_training(config, progress=lambda *event: shown.append(event))
    return Trained(result, config, shown)
