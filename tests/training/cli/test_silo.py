from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from recsys.cli import main
from training.cli.silo import silo

CONFIG = 'name = "north"\nregistered_customers = 100\nepsilon_cap = 4.0\ndelta = 1e-5\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = {
        "interactions": {
            "customer_id": [1, 2],
            "item_id": [10, 11],
            "timestamp": [1_700_000_000, 1_700_100_000],
        },
        "items": {"item_id": [10, 11]},
        "customers": {
            "customer_id": [1, 2],
            "consent_training": [True, True],
            "consent_personalisation": [True, False],
        },
    }
    for name, columns in tables.items():
        pyarrow.parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    return tmp_path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(silo, ["check", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_folder_is_described_in_words(folder: Path) -> None:
    output = run(folder)
    assert f"silo '{folder.name}' meets the data contract" in output
    assert "interactions           2 rows" in output
    assert "timestamp, 2023-11-14 to 2023-11-16" in output
    assert "2 to training, 1 to personalisation" in output
    assert "none of them leaves the silo" in output


def test_a_silo_toml_or_a_folder_with_one(folder: Path) -> None:
    (folder / "silo.toml").write_text(CONFIG)
    for path in (folder, folder / "silo.toml"):
        answer = json.loads(run(path, "--json"))
        assert answer["ok"] is True
        assert answer["name"] == "north"
        assert answer["rows"]["customers"] == 2


def test_data_without_times_has_no_span(folder: Path) -> None:
    pyarrow.parquet.write_table(
        pa.table({"customer_id": ["1"], "item_id": ["10"]}), folder / "interactions.parquet"
    )
    output = run(folder)
    assert "ordering      none\n" in output
    assert "interactions           1 row\n" in output


def test_items_against_a_catalogue(folder: Path) -> None:
    assert run(folder, "--catalogue", folder / "items.parquet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder or silo.toml"),
        ([".", "--catalogue", "nothing.csv"], "nothing.csv: no such catalogue"),
        ([], "Missing argument 'PATH'"),
    ],
)
def test_wrong_arguments_exit_with_2(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["thousandfaces", "silo", "check", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
