"""What goes wrong in a silo leaves it as a code: no text of an exception, which may name customers."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.errors import DataContractError, LedgerError, Location, PlanError, UnknownCustomerError
from recsys.silos.check import check_silo
from recsys.silos.files import FileSilo
from tests.contracts.captured_runs import content_of, first_silo, run
from training.node import Node

SECRET = "customer-maria-1957"
RAISED = {
    ValueError(f"{SECRET} has 3 events"): "failed",
    KeyError(SECRET): "failed",
    PlanError(f"{SECRET} is over the bound"): "plan-refused",
    LedgerError(f"{SECRET}.db is locked"): "ledger-unavailable",
    DataContractError(Location("interactions", 3, "customer_id", SECRET), "unknown", "add it"): "failed",
    UnknownCustomerError(SECRET): "failed",
}


@pytest.mark.parametrize(("error", "code"), RAISED.items(), ids=lambda value: type(value).__name__)
def test_what_goes_wrong_in_a_silo_leaves_as_a_code_alone(
    error: Exception,
    code: str,
    world: Path,
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error from KeyError(SECRET)

    monkeypatch.setattr(Node, "release", fail)
    replies, ended = run(world, new_output(tmp_path / "out"), small_settings)
    failed = [reply for reply in replies if reply.metadata.message_type == "train.popularity"]
    assert len(failed) == 3
    for reply in failed:
        assert dict(reply.content["fields"]).keys() == {"stage", "round", "silo", "status"}
        assert reply.content["fields"]["status"] == code
        assert not reply.content["arrays"]
    assert not any(SECRET in repr(reply.content) for reply in replies)
    assert ended
    assert SECRET not in ended
    assert not any(SECRET.encode() in content_of(p) for p in (tmp_path / "out").rglob("*") if p.is_file())


def test_a_customers_broken_row_changes_no_status(
    world: Path, small_settings: list[str], new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Whether a silo answers would tell that the customer is there: the row is set aside, and nobody told."""
    folder = add_a_stray_row(world)
    replies, ended = run(world, new_output(tmp_path / "out"), [*small_settings, "quorum=3"])
    assert ended == ""
    assert {reply.content["fields"]["status"] for reply in replies} == {"ok"}
    assert not any(SECRET in repr(reply.content) for reply in replies)
    with pytest.raises(DataContractError, match=SECRET):
        check_silo(FileSilo(folder.name, folder))


def test_a_silo_with_a_broken_file_answers_with_a_code_alone(
    world: Path, small_settings: list[str], new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    """A column that is missing is a fault of the silo's, whoever is in it."""
    folder = add_a_stray_row(world)
    rows = pq.read_table(folder / "interactions.parquet")
    pq.write_table(rows.drop_columns(["item_id"]), folder / "interactions.parquet")
    replies, ended = run(world, new_output(tmp_path / "out"), [*small_settings, "quorum=3"])
    fields = [dict(reply.content["fields"]) for reply in replies]
    assert [found.keys() for found in fields if found["status"] != "ok"] == [
        {"stage", "round", "silo", "status"}
    ]
    assert {found["silo"] for found in fields if found["status"] == "failed"} == {folder.name}
    assert not any(SECRET in repr(reply.content) for reply in replies)
    assert ended.startswith("QuorumError")
    assert SECRET not in ended


def add_a_stray_row(world: Path) -> Path:
    """A purchase by a customer whom the first silo does not list; returns that silo's folder."""
    folder = first_silo(world)
    rows = pq.read_table(folder / "interactions.parquet")
    stray = rows.slice(0, 1).to_pylist()[0] | {"customer_id": SECRET, "event_id": SECRET}
    broken = pa.concat_tables([rows, pa.Table.from_pylist([stray], rows.schema)])
    pq.write_table(broken, folder / "interactions.parquet")
    return folder
