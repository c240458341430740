"""The due list as an operator runs it: a process, a file, one line of error."""

import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pytest

from tests.serving.builder import TASTE, make_world

COMMAND = [
    sys.executable,
    "-c",
    "from serving.replenishment.cli import replenishment; replenishment()",
    "due",
]
MAIN = [sys.executable, "-P", "-c", "from recsys.cli import main; main()"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.e2e
def test_a_list_is_made_without_training_frameworks(tmp_path: Path) -> None:
    bundle, silo = make_world(tmp_path)
    out = tmp_path / "due.csv"
    options = ["--bundle", str(bundle), "--silo", str(silo), "--out", str(out), "--within", "30"]
    done = run(*COMMAND, *options)
    assert done.returncode == 0, done.stderr
    assert "customers in" in done.stdout
    assert "5 of 5" not in done.stderr  # three of five customers consented to personalisation
    assert "3 of 3 customers" in done.stderr
    assert TASTE in pyarrow.csv.read_csv(out)["customer_id"].to_pylist()
    code = (
        "import sys; from serving.replenishment.cli import replenishment; "
        "replenishment(standalone_mode=False); "
        "print([name for name in ('torch', 'flwr', 'opacus', 'mlflow') if name in sys.modules])"
    )
    done = run(sys.executable, "-c", code, "due", *options)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.e2e
def test_the_command_is_in_the_group_and_errors_are_one_line(tmp_path: Path) -> None:
    bundle, silo = make_world(tmp_path)
    assert "replenishment" in run(*MAIN, "--help").stdout
    wrong = run(
        *MAIN, "replenishment", "due", "--bundle", str(bundle), "--silo", str(silo), "--out", "due.doc"
    )
    assert wrong.returncode == 2
    assert wrong.stderr.strip() == "error: due.doc: unknown ending '.doc'; name it *.parquet or *.csv"
