from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from recsys.errors import LedgerError
from recsys.privacy.snapshot import snapshot_hmac, snapshot_key


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "silo" / "snapshot.key"
    key = snapshot_key(path)
    assert len(key) == 32
    assert snapshot_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert snapshot_key(tmp_path / "other.key") != key


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.key"
    snapshot_key(path)
    path.chmod(0o640)
    with pytest.raises(LedgerError, match="chmod 600"):
        snapshot_key(path)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.key"
    snapshot_key(path)
    path.write_bytes(b"short")
    with pytest.raises(LedgerError, match="5 bytes are no snapshot key"):
        snapshot_key(path)


def test_the_hmac_depends_on_key_content_and_parts() -> None:
    key = b"k" * 32
    made = [
        snapshot_hmac(key, "r", [b"ab", b"c"]),
        snapshot_hmac(key, "r", [b"a", b"bc"]),
        snapshot_hmac(key, "r", [b"abc"]),
        snapshot_hmac(b"l" * 32, "r", [b"abc"]),
    ]
    assert len(set(made)) == 4
    assert snapshot_hmac(key, "r", iter([b"abc"])) == made[2]


def test_equal_data_give_equal_values_within_one_run_alone() -> None:
    key, data = b"k" * 32, [b"one", b"two"]
    made = [snapshot_hmac(key, run, data) for run in ("run-1", "run-2", "run-1")]
    assert made[0] == made[2] != made[1]
    assert snapshot_hmac(key, "ab", [b"c"]) != snapshot_hmac(key, "a", [b"bc"])


def test_a_process_that_dies_while_it_makes_the_key_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        snapshot_key(tmp_path / "key")
    assert not (tmp_path / "key").exists()
    monkeypatch.undo()
    assert len(snapshot_key(tmp_path / "key")) == 32
