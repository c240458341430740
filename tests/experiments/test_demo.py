"""The demo as a newcomer runs it: a process of its own, one JSON object, real HTTP inside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ARGUMENTS = ["demo", "--no-serve", "--json", "--persons", "800"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recsys.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.e2e
def test_the_demo_trains_publishes_serves_and_reports(tmp_path: Path) -> None:
    done = run(*ARGUMENTS, "--output", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert 0 < result["person_epsilon"] <= 4
    assert result["delta"] == 1e-6
    assert len(result["silos"]) == 5
    assert all(0 < silo["epsilon"] < result["person_epsilon"] for silo in result["silos"])
    assert result["ledgers_verified"] is True
    assert {visit["silo"] for visit in result["visits"]} == {silo["name"] for silo in result["silos"]}
    assert all(visit["changed"] for visit in result["visits"])
    for method in ("private", "popularity", "non_private", "personal_top", "shuffled"):
        assert 0 <= result["quality"][method]["new_recall_at_20"] <= 1
    assert result["seconds"] > 0


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    done = run(*ARGUMENTS, "--output", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip().endswith("not empty and not a demo's; give another folder with --output")
    assert (tmp_path / "letter.txt").read_text() == "dear reader"
