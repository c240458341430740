"""The operator's preview says what a run then really sends."""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from recsys.errors import PlanError
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from training.cli.silo import silo
from training.client_app import app
from training.config_file import load_config
from training.coordinator import coordinate
from training.egress import EGRESS, Leaves
from training.preview import preview
from training.progress import silent
from training.simulate import InProcessGrid, node_contexts


@pytest.fixture
def told(world: Path, small_settings: list[str], new_output, tmp_path: Path):
    options = {"federation": world / "federation.toml", "output": new_output(tmp_path / "out")}
    return load_config(None, small_settings, options)


def test_every_declared_field_is_shown_with_its_reason(world: Path, told) -> None:
    federation = FederationConfig.load(world / "federation.toml")
    config = federation.silo_configs()[0]
    shown = preview(config, federation, told)
    declared = {name: field.leaves.value for name, field in EGRESS.items()}
    assert {field.name: field.leaves for field in shown.fields} == declared
    assert all(field.why for field in shown.fields)
    values = {field.name: field.value for field in shown.fields if field.value is not None}
    assert values["registered_customers"] == str(config.registered_customers)
    refused = [field for field in shown.fields if field.leaves == Leaves.REFUSED]
    assert refused
    assert all(field.value is None for field in refused)


def test_the_sums_of_a_run_are_those_of_the_preview(world: Path, told) -> None:
    federation = FederationConfig.load(world / "federation.toml")
    silos = federation.silo_configs()
    shown = preview(silos[0], federation, told)
    sent: Counter[tuple[str, int]] = Counter()

    class Tap(InProcessGrid):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            for reply in replies:
                fields, arrays = reply.content["fields"], reply.content["arrays"]
                if "noised_sum" in arrays and fields["silo"] == silos[0].name:
                    stage = str(fields["stage"]).partition(".")[2]
                    sent[stage, arrays["noised_sum"].numpy().size] += 1
            return replies

    grid = Tap(app, node_contexts(len(silos), {"federation": str(world / "federation.toml")}))
    result = coordinate(grid, told, progress=silent, resume=False)
    grid.close()
    assert sent == {(one.mechanism, one.coordinates): one.messages for one in shown.sums}
    assert shown.plan_fingerprint == result.plan.fingerprint()
    assert shown.silo_epsilon == pytest.approx(Ledger(silos[0].ledger).epsilon(shown.delta))


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_a_preview_reads_no_row_and_charges_nothing(world: Path) -> None:
    folder = sorted((world / "silos").iterdir())[0]
    (folder / "customers.parquet").unlink()
    arguments = ["preview", str(folder / "silo.toml"), "--federation", str(world / "federation.toml")]
    result = CliRunner().invoke(silo, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    assert '"noised_sum"' in result.output
    text = CliRunner().invoke(silo, arguments, catch_exceptions=False).output
    assert "noised-and-charged" in text
    cells = {row[0]: row[2] for row in map(cells_of, text.splitlines()) if len(row) == 4 and row[1]}
    assert cells["silo"] == folder.name
    assert cells["round"] == cells["noised_sum"] == cells["customer_id"] == "-"
    assert "" not in cells.values()
    assert "nothing was charged" in " ".join(text.split())
    assert not list(folder.glob("ledger*"))


def test_a_silo_of_another_federation_is_told_so(world: Path, told) -> None:
    federation = FederationConfig.load(world / "federation.toml")
    stranger = federation.silo_configs()[0].model_copy(update={"name": "stranger"})
    with pytest.raises(PlanError, match="'stranger' is not in the plan"):
        preview(stranger, federation, told)
