"""A silo whose releases leave it but never count is charged all the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from training.client_app import app
from training.config_file import load_config
from training.coordinator import coordinate
from training.progress import silent
from training.simulate import FIRST_CLIENT_NODE, InProcessGrid, node_contexts


class Lossy(InProcessGrid):
    """A network that loses every release of the first silo after the silo has sent it."""

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        replies = super().send_and_receive(messages, timeout=timeout)
        return [
            r for r in replies if not (self._is_release(r) and r.metadata.src_node_id == FIRST_CLIENT_NODE)
        ]

    @staticmethod
    def _is_release(reply: Message) -> bool:
        return reply.metadata.message_type.startswith("train.")


def test_what_left_a_silo_is_charged_though_the_round_went_on_without_it(
    world: Path, small_settings: list[str], new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    federation = world / "federation.toml"
    options = {"federation": federation, "output": new_output(tmp_path / "out")}
    config = load_config(None, small_settings, options)
    silos = FederationConfig.load(federation).silo_configs()
    grid = Lossy(app, node_contexts(len(silos), {"federation": str(federation)}))
    report = coordinate(grid, config, progress=silent, resume=False).report
    grid.close()
    lost, heard = silos[0].name, silos[1].name
    assert report["missed_rounds"] == {lost: 6 + 3 + 5}
    assert Ledger(silos[0].ledger).events() == Ledger(silos[1].ledger).events()
    assert report["silos"][lost]["epsilon"] == pytest.approx(report["silos"][heard]["epsilon"])
    assert report["person_epsilon"] <= 4
