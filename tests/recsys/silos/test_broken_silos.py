"""The kinds of broken files that silos send, each an error of its own: in Python and on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recsys.cli import main
from recsys.errors import DataContractError
from recsys.silos.check import check_silo
from recsys.silos.files import FileSilo

WriteSilo = Callable[..., Path]


@dataclass(frozen=True)
class Broken:
    """A breach (columns replaced in one table, or its file damaged) and what the error must name."""

    table: str
    column: str | None
    row: int | None
    value: str | None
    problem: str
    remedy: str
    columns: dict[str, Any] | None = None
    damage: Callable[[bytes], bytes] | None = None
    only: str | None = None


def _latin_1(content: bytes) -> bytes:
    return content.replace(b"Bread", "Brötchen".encode("latin-1"))


CASES = {
    "missing column": Broken(
        "interactions", "item_id", None, None, "missing column", "add it", {"item_id": None}
    ),
    "wrong type": Broken(
        "interactions",
        "quantity",
        2,
        "two",
        "wrong type, expected double",
        "write a number",
        {"quantity": ["1", "two", "3"]},
    ),
    "unknown item": Broken(
        "interactions",
        "item_id",
        3,
        "caviar",
        "unknown item",
        "add the item",
        {"item_id": ["milk", "bread", "caviar"]},
    ),
    "unknown item in stock": Broken(
        "stock", "item_id", 1, "caviar", "unknown item", "add", {"item_id": ["caviar"]}
    ),
    "unknown customer": Broken(
        "interactions", "customer_id", 2, "c9", "unknown customer", "add", {"customer_id": ["c1", "c9", "c1"]}
    ),
    "unknown store": Broken(
        "interactions", "store_id", 2, "s9", "unknown store", "add", {"store_id": ["s1", "s9", None]}
    ),
    "unknown store in stock": Broken(
        "stock", "store_id", 1, "s9", "unknown store", "add", {"store_id": ["s9"]}
    ),
    "negative quantity": Broken(
        "interactions", "quantity", 2, "-2", "negative", "at least 0", {"quantity": [1, -2, 1]}
    ),
    "future date": Broken(
        "interactions",
        "timestamp",
        3,
        "2031-05-03T09:00:00Z",
        "future date",
        "correct the time",
        {"timestamp": ["2024-05-01T09:00:00Z", "2024-05-02T09:00:00Z", "2031-05-03T09:00:00Z"]},
    ),
    "duplicate event id": Broken(
        "interactions",
        "event_id",
        3,
        "e1",
        "duplicate: row 1 has the same customer_id and event_id",
        "give each",
        {"event_id": ["e1", "e2", "e1"]},
    ),
    "broken encoding": Broken(
        "items",
        None,
        2,
        "0xf6",
        "broken encoding: byte 50 is not UTF-8",
        "save the file as UTF-8",
        damage=_latin_1,
        only="csv",
    ),
    "truncated Parquet": Broken(
        "interactions",
        None,
        None,
        None,
        "truncated Parquet",
        "again",
        damage=lambda content: content[:-40],
        only="parquet",
    ),
    "empty file": Broken("customers", None, None, None, "empty file: 0 bytes", "again", damage=lambda _: b""),
    "header only": Broken(
        "customers",
        None,
        None,
        None,
        "empty file: a header without rows",
        "again",
        damage=lambda content: content.split(b"\n")[0] + b"\n",
        only="csv",
    ),
    "no consent": Broken(
        "customers",
        "consent_training",
        None,
        None,
        "no consent: not one customer",
        "check",
        {"consent_training": [False, False]},
    ),
    "missing consent": Broken(
        "customers", "consent_training", None, None, "missing column", "add it", {"consent_training": None}
    ),
    "consent left open": Broken(
        "customers",
        "consent_training",
        2,
        "None",
        "missing value",
        "fill it",
        {"consent_training": [True, None]},
    ),
    "mixed time zones": Broken(
        "interactions",
        "timestamp",
        2,
        "2024-05-02T09:00:00",
        "mixed time zones",
        "all times with an offset, or all without",
        {"timestamp": ["2024-05-01T09:00:00+02:00", "2024-05-02T09:00:00", "2024-05-03T09:00:00Z"]},
    ),
    "customer collision": Broken(
        "customers", "customer_id", 2, "c1", "id collision: row 1", "give each", {"customer_id": ["c1", "c1"]}
    ),
    "item collision after trimming": Broken(
        "items", "item_id", 2, "milk ", "id collision: row 1", "spaces", {"item_id": ["milk", "milk "]}
    ),
    "store collision": Broken(
        "stores",
        "store_id",
        2,
        "s1",
        "id collision: row 1",
        "give each",
        {"store_id": ["s1", "s1"], "name": ["A", "B"]},
    ),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, ending: str) -> Broken:
    broken = CASES[request.param]
    if broken.only not in (None, ending):
        pytest.skip(f"{request.param} is about {broken.only} files")
    return broken


@pytest.fixture
def folder(case: Broken, write_silo: WriteSilo, ending: str) -> Path:
    folder = write_silo(ending, {case.table: case.columns or {}})
    if case.damage is not None:
        path = folder / f"{case.table}.{ending}"
        path.write_bytes(case.damage(path.read_bytes()))
    return folder


def test_the_error_names_file_row_column_value_and_remedy(
    case: Broken, folder: Path, ending: str, now: datetime
) -> None:
    with pytest.raises(DataContractError) as caught:
        check_silo(FileSilo("north", folder, now=now))
    location = caught.value.location
    assert location.file == str(folder / f"{case.table}.{ending}")
    assert (location.row, location.column) == (case.row, case.column)
    assert _same(location.value, case.value)
    assert case.problem in caught.value.problem
    assert case.remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_the_command_line_prints_one_line_and_exits_with_2(
    case: Broken, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["thousandfaces", "silo", "check", str(folder), "--json"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {folder}")
    assert case.problem in err
    assert len(err.splitlines()) == 1
    answer = json.loads(out)
    assert answer["ok"] is False
    assert (answer["row"], answer["column"]) == (case.row, case.column)
    assert case.problem in answer["problem"]


def _same(found: str | None, expected: str | None) -> bool:
    """Whether two quoted values agree; Parquet has -2 as a number with a fraction or without."""
    return found == expected or (None not in (found, expected) and float(found or 0) == float(expected or 0))
