from pathlib import Path

import numpy as np
import pytest

from recsys.errors import ConfigError, TrainingError
from training import checkpoint
from training.checkpoint import FINISHED, RunFolder, find_run, open_run, runs


def test_an_unfinished_run_with_the_same_identity_continues(tmp_path: Path) -> None:
    first = open_run(tmp_path, {"config": "a"}, resume=True)
    assert open_run(tmp_path, {"config": "a"}, resume=True) == first
    assert first.state()["attempts"] == 2
    assert open_run(tmp_path, {"config": "b"}, resume=True) != first
    assert open_run(tmp_path, {"config": "a"}, resume=False) != first


def test_a_finished_run_is_never_continued(tmp_path: Path) -> None:
    first = open_run(tmp_path, {}, resume=True)
    first.mark(status=FINISHED)
    assert open_run(tmp_path, {}, resume=True) != first


def test_arrays_and_json_survive_a_round_trip(tmp_path: Path) -> None:
    run = open_run(tmp_path, {}, resume=True)
    run.write_arrays("x.safetensors", {"a": np.arange(6).reshape(2, 3).T, "b": np.float32([1.5])})
    read = run.read_arrays("x.safetensors")
    np.testing.assert_array_equal(read["a"], np.arange(6).reshape(2, 3).T)
    assert read["b"].dtype == np.float32
    assert not list(run.path.glob("*.tmp"))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    run = open_run(tmp_path, {}, resume=True)
    (run.path / "x.safetensors").write_bytes(b"junk")
    (run.path / "y.json").write_bytes(b"{")
    with pytest.raises(TrainingError, match=r"x\.safetensors"):
        run.read_arrays("x.safetensors")
    with pytest.raises(TrainingError, match=r"y\.json"):
        run.read_json("y.json")


def test_a_write_that_dies_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path, {}, resume=True)
    run.write_json("plan.json", {"version": 1})

    def die(_descriptor: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(checkpoint.os, "fsync", die)
    with pytest.raises(OSError, match="power cut"):
        run.write_json("plan.json", {"version": 2})
    assert run.read_json("plan.json") == {"version": 1}


def test_runs_are_found_by_prefix_and_as_latest(tmp_path: Path) -> None:
    assert runs(tmp_path) == []
    run = open_run(tmp_path, {}, resume=True)
    (tmp_path / "runs" / "zz-half-made").mkdir()
    assert find_run(tmp_path, run.run_id[:-2]) == run
    with pytest.raises(ConfigError, match="'latest' is not one of the runs"):
        find_run(tmp_path, "latest")
    run.mark(status=FINISHED)
    assert find_run(tmp_path, "latest") == run
    assert open_run(tmp_path, {"half-made": "is skipped"}, resume=True) != RunFolder(
        tmp_path / "zz-half-made"
    )
