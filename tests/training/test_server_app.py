from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.bundle.store import read_bundle
from recsys.errors import ConfigError
from training.checkpoint import find_run
from training.client_app import app as client
from training.server_app import app as server
from training.simulate import simulate

SETTINGS = """
checkpoint_every = 2
[copurchase]
top_items = 60
rank = 4
[towers]
steps = 5
embedding_dim = 4
sampling_rate = 0.2
"""


def test_the_flower_apps_train_with_paths_from_the_run_configuration(
    world: Path, new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    (tmp_path / "train.toml").write_text(SETTINGS)
    new_output(tmp_path / "out")
    settings = {
        "federation": str(world / "federation.toml"),
        "config": str(tmp_path / "train.toml"),
        "output": str(tmp_path / "out"),
        "resume": True,
    }
    simulate(server, client, nodes=3, run_config=settings)
    assert len(read_bundle(find_run(tmp_path / "out", "latest").bundle).catalogue) == 240


def test_a_run_without_a_federation_says_so() -> None:
    with pytest.raises(ConfigError, match="no 'federation' setting"):
        simulate(server, client, nodes=1, run_config={"federation": ""})
