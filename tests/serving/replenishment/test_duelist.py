import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import serving.replenishment.reading as reading
from recsys.bundle.contents import Parts, assemble
from recsys.bundle.store import read_bundle, write_bundle
from recsys.errors import BundleError, ConfigError, OrderingError, ThousandFacesError
from recsys.models.rhythm_start import START
from recsys.silos import parts
from recsys.silos.config import SiloConfig
from serving.replenishment.cli import replenishment
from serving.replenishment.duelist import write_due_list
from serving.replenishment.lister import SCHEMA
from serving.replenishment.output import whole_file
from serving.replenishment.rows import Question
from serving.settings import Settings
from tests.serving.builder import PERSONAL_ONLY, TASTE, event, item

Make = Callable[..., pa.Table]


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def listed(settings: Settings, out: Path, *more: str) -> Any:
    command = ["due", "--bundle", str(settings.bundle), "--silo", str(settings.silo), "--out", str(out)]
    return CliRunner().invoke(replenishment, [*command, *more])


def rows(settings: Settings, folder: Path, *more: str) -> list[dict[str, Any]]:
    done = listed(settings, folder / "due.parquet", *more)
    assert done.exit_code == 0, done.output + str(done.exception)
    found: list[dict[str, Any]] = pq.read_table(folder / "due.parquet").to_pylist()
    return found


def test_only_who_consented_to_personalisation_is_listed(settings: Settings, tmp_path: Path) -> None:
    found = rows(settings, tmp_path, "--within", "365")
    assert [one["customer_id"] for one in found] == [PERSONAL_ONLY] + [TASTE] * 3
    assert {one["item_id"] for one in found[1:]} == {item(0), item(10), item(20)}
    assert found[0]["basis"] == "typical for category-1"
    assert found[1]["basis"] == "your own 6 purchases"


def learned(settings: Settings, folder: Path) -> Settings:
    """The same with a bundle whose hazard of buying again was learned."""
    bundle = read_bundle(Path(settings.bundle))
    hazard = {"hazard": START, "appeals": np.zeros(len(bundle.catalogue))}
    columns = {name: getattr(bundle, name) for name in Parts.__dataclass_fields__}
    columns["intervals"] = {**bundle.intervals, **hazard}
    manifest = bundle.manifest
    made = assemble(
        Parts(**columns), sequence=manifest.sequence, blend=manifest.blend, blocks=dict(manifest.blocks)
    )
    return settings.model_copy(update={"bundle": write_bundle(folder / "learned", made)})


@pytest.mark.parametrize("with_hazard", [False, True])
def test_the_numbers_are_those_of_the_api(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Path, with_hazard: bool
) -> None:
    settings = learned(settings, tmp_path) if with_hazard else settings
    client = serve(settings, demo=False)
    client.post("/v1/events", json=event("e-1", number=10, event="decline"))
    client.post("/v1/events", json=event("e-2", number=30, event="empty"))
    answer = client.get(f"/v1/customers/{TASTE}/replenishment?horizon_days=14").json()
    found = [
        one for one in rows(settings, tmp_path, "--date", answer["as_of"]) if one["customer_id"] == TASTE
    ]
    assert {one["item_id"] for one in found} == {item(0), item(20), item(30)}
    assert [one["rank"] for one in found] == [1, 2, 3]
    assert found[0]["item_id"] == item(30)  # a device asks for it
    by_item = {one["item_id"]: one for one in answer["due"]}
    assert set(by_item) == {one["item_id"] for one in found}
    for row in found:
        due = by_item[row["item_id"]]
        for name in ("expected_at", "low", "high"):
            assert row[name] == datetime.fromisoformat(due[name])
        assert row["remind_on"].isoformat() == due["remind_on"]
        assert row["basis"] == due["basis"]
        assert all(row[name] == due[name] for name in due if name.startswith("p_within"))


def test_csv_says_the_same_as_parquet(settings: Settings, tmp_path: Path) -> None:
    date = ["--date", datetime.now(UTC).date().isoformat()]
    found = rows(settings, tmp_path, *date)
    assert listed(settings, tmp_path / "due.csv", *date).exit_code == 0
    text = pyarrow.csv.read_csv(tmp_path / "due.csv")
    assert text.column_names == SCHEMA.names
    assert text["item_id"].to_pylist() == [one["item_id"] for one in found]
    assert text["expected_at"].cast(pa.timestamp("ms", tz="UTC")).to_pylist() == [
        one["expected_at"] for one in found
    ]
    assert text["dormant"].to_pylist() == [one["dormant"] for one in found]


def test_past_and_future_days_are_defined(settings: Settings, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    past = rows(settings, tmp_path, "--date", (today - timedelta(days=17)).isoformat())
    assert {one["basis"] for one in past if one["customer_id"] == TASTE} == {"your own 3 purchases"}
    future = rows(settings, tmp_path, "--date", (today + timedelta(days=8)).isoformat(), "--within", "1")
    mine = [one for one in future if one["customer_id"] == TASTE]
    assert {one["basis"] for one in mine} == {"your own 6 purchases"}
    assert all(one["remind_on"] == today + timedelta(days=8) for one in mine)
    assert rows(settings, tmp_path, "--date", "2001-01-01") == []


def test_options_narrow_the_list(settings: Settings, tmp_path: Path) -> None:
    whole = rows(settings, tmp_path, "--within", "365")
    assert [one["rank"] for one in whole] == [1, 1, 2, 3]
    assert rows(settings, tmp_path, "--most", "1", "--within", "365") == whole[:2]
    everything = rows(settings, tmp_path, "--least", "0")
    assert len(everything) == 4
    some = rows(settings, tmp_path, "--least", "0.5", "--within", "10")
    expected = [one for one in everything if one["p_within_14"] >= 0.5]
    without_rank = [[{**one, "rank": 0} for one in found] for found in (expected, some)]
    assert without_rank[0] == without_rank[1]


def test_chunks_change_nothing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    date = ["--date", datetime.now(UTC).isoformat(), "--within", "365"]
    whole = rows(settings, tmp_path, *date)
    monkeypatch.setattr(reading, "CUSTOMERS", 1)
    assert rows(settings, tmp_path, *date) == whole


def test_a_big_file_is_read_in_parts_with_the_same_list(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    date = ["--date", datetime.now(UTC).isoformat(), "--within", "365"]
    whole = rows(settings, tmp_path, *date)
    monkeypatch.setattr(parts, "ROWS", 4)
    monkeypatch.setattr(reading, "CUSTOMERS", 2)
    assert rows(settings, tmp_path, *date) == whole
    repeat_the_first_id(settings, -1)  # another customer's: two events
    assert rows(settings, tmp_path, *date) == whole
    repeat_the_first_id(settings, 1)  # the customer's own: the second row is set aside
    others = [one for one in whole if one["customer_id"] != TASTE]
    without = rows(settings, tmp_path, *date)
    assert [one for one in without if one["customer_id"] != TASTE] == others
    assert without != whole
    monkeypatch.undo()
    assert rows(settings, tmp_path, *date) == without


def repeat_the_first_id(settings: Settings, row: int) -> None:
    path = settings.silo.parent / "interactions.parquet"
    columns = pq.read_table(path).to_pydict()
    columns["event_id"][row] = columns["event_id"][0]
    pq.write_table(pa.table(columns, schema=pq.read_schema(path)), path)


def test_what_is_sold_out_is_flagged(settings: Settings, tmp_path: Path) -> None:
    stock = {"store_id": ["s-1"], "item_id": [item(10)], "quantity": [0.0]}
    pq.write_table(pa.table(stock), settings.silo.parent / "stock.parquet")
    found = rows(settings, tmp_path)
    assert {one["item_id"] for one in found if one["out_of_stock"]} == {item(10)}


def test_what_is_wrong_is_named(settings: Settings, tmp_path: Path) -> None:
    wrong: list[tuple[str, list[str], str]] = [
        ("due.xlsx", [], "unknown ending '.xlsx'"),
        ("nowhere/due.csv", [], "its folder does not exist"),
        ("due.csv", ["--date", "yesterday"], "'yesterday'"),
        ("due.csv", ["--date", "1970-01-01"], "out of range"),
    ]
    for name, more, words in wrong:
        error = listed(settings, tmp_path / name, *more).exception
        assert isinstance(error, ConfigError)
        assert words in str(error)
        assert "\n" not in str(error)
    for more in (
        ["--within", "0"],
        ["--within", "nan"],
        ["--least", "2"],
        ["--least", "nan"],
        ["--most", "0"],
        ["--lead-days", "-1"],
    ):
        assert listed(settings, tmp_path / "due.csv", *more).exit_code == 2
    assert not list(tmp_path.glob("*due.*"))


def test_a_silo_without_times_and_a_bundle_without_intervals(settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    silo, bundle = SiloConfig.load(settings.silo).base_silo(), read_bundle(Path(settings.bundle))
    question, out = Question(now(), "UTC"), tmp_path / "due.csv"
    with pytest.raises(BundleError, match="no replenishment model"):
        write_due_list(silo, replace(bundle, intervals={}), question, out)
    path = settings.silo.parent / "interactions.parquet"
    pq.write_table(pq.read_table(path).drop_columns("timestamp"), path)
    with pytest.raises(OrderingError, match="no timestamps"):
        write_due_list(silo, bundle, question, out)
    assert not out.exists()


def test_one_customers_broken_rows_keep_no_others_out(settings: Settings, tmp_path: Path) -> None:
    path = settings.silo.parent / "interactions.parquet"
    whole, table = rows(settings, tmp_path, "--within", "365"), pq.read_table(path)
    units = [-1.0 if one == PERSONAL_ONLY else 1.0 for one in table["customer_id"].to_pylist()]
    pq.write_table(table.set_column(table.column_names.index("quantity"), "quantity", [units]), path)
    done = listed(settings, tmp_path / "due.parquet", "--within", "365")
    assert "thousandfaces silo check" in done.stderr
    kept = pq.read_table(tmp_path / "due.parquet").to_pylist()
    assert {one["customer_id"] for one in kept} == {TASTE}
    assert [one["item_id"] for one in kept] == [
        one["item_id"] for one in whole if one["customer_id"] == TASTE
    ]


def test_a_broken_column_is_named_and_nothing_is_left(settings: Settings, tmp_path: Path) -> None:
    path = settings.silo.parent / "interactions.parquet"
    pq.write_table(pq.read_table(path).drop_columns("item_id"), path)
    done = listed(settings, tmp_path / "due.csv")
    assert isinstance(done.exception, ThousandFacesError)
    assert "item_id" in str(done.exception)
    assert not list(tmp_path.glob("*due*"))


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "due.parquet"
    path.write_bytes(b"the old one")
    with pytest.raises(KeyError), whole_file(path, SCHEMA) as writer:
        writer.write_table({}["no such table"])
    assert path.read_bytes() == b"the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["due.parquet"]
    with whole_file(path, SCHEMA) as writer:
        writer.write_table(SCHEMA.empty_table())
    assert pq.read_table(path).schema.equals(SCHEMA)
    assert os.stat(path).st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-2", "@SUM(A1)"])
def test_a_spreadsheet_is_given_no_formula(tmp_path: Path, name: str) -> None:
    schema = pa.schema([("customer_id", pa.string())])
    table = pa.table({"customer_id": ["c-1", name]})
    with whole_file(tmp_path / "due.csv", schema) as csv:
        csv.write_table(table)
    assert (tmp_path / "due.csv").read_text() == f'"customer_id"\n"c-1"\n"\'{name}"\n'
    with whole_file(tmp_path / "due.parquet", schema) as parquet:
        parquet.write_table(table)
    assert pq.read_table(tmp_path / "due.parquet")["customer_id"].to_pylist() == ["c-1", name]
