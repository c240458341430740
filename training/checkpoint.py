"""Run folders: a folder per run, every finished stage in a file written atomically, never any noise state."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from recsys.errors import ConfigError, TrainingError

RUNS = "runs"
STATE = "run.json"
LOCK = ".lock"
RUNNING, FINISHED, VOID = "running", "finished", "void"


@dataclass(frozen=True)
class RunFolder:
    """<output>/runs/<run id>/: state, plan, the stages' files, the coordinator's ledger, the bundle."""

    path: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def bundle(self) -> Path:
        """Where the finished bundle is."""
        return self.path / "bundle"

    @property
    def ledger(self) -> Path:
        """The coordinator's mirror of the silos' receipts."""
        return self.path / "ledger.db"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes off this run. Raises TrainingError if one is at it."""
        with (self.path / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise TrainingError(
                    f"{self.path}: another process is at this run; wait, or use --fresh"
                ) from None
            yield

    def state(self) -> dict[str, Any]:
        """What `run.json` says. Raises TrainingError if it is missing or damaged."""
        return self.read_json(STATE)

    @property
    def created_at(self) -> datetime:
        """When the run was begun."""
        return datetime.fromisoformat(self.state()["created_at"])

    def mark(self, **changes: Any) -> None:
        """Change entries of `run.json`."""
        self.write_json(STATE, self.state() | changes)

    def has(self, name: str) -> bool:
        """Whether a stage's file is there (a file is there whole or not at all)."""
        return (self.path / name).exists()

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file atomically."""
        self.write_text(name, json.dumps(content, indent=2, sort_keys=True))

    def write_text(self, name: str, content: str) -> None:
        """Write a text file atomically."""
        write_atomically(self.path / name, content.encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file. Raises TrainingError naming the file."""
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{self.path / name}: not readable ({error}); start anew with --fresh"
            ) from None
        return content

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a safetensors file atomically; no pickle is ever involved."""
        dense = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        write_atomically(self.path / name, save(dense))

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read a safetensors file. Raises TrainingError naming the file."""
        try:
            arrays: dict[str, NDArray[Any]] = load((self.path / name).read_bytes())
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"{self.path / name}: not readable ({error}); start anew with --fresh"
            ) from None
        return arrays


def open_run(output: Path, identity: Mapping[str, Any], *, resume: bool) -> RunFolder:
    """The latest unfinished run with the same identity, or a new one.

    identity: everything that shapes the result (configuration hash, silos, catalogue); equal identities may
    continue each other's stages.
    """
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    unfinished = [run for run in runs(output) if _continues(run, key)] if resume else []
    if unfinished:
        run = unfinished[-1]
        run.mark(attempts=run.state()["attempts"] + 1)
        return run
    return _new_run(output, key, identity)


def runs(output: Path) -> list[RunFolder]:
    """All runs, oldest first."""
    folder = output / RUNS
    return [RunFolder(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


def find_run(output: Path, run_id: str) -> RunFolder:
    """A run by its id, a prefix of it, or 'latest' (finished). Raises ConfigError listing all runs."""
    found = [run for run in runs(output) if run.has(STATE)]
    finished = [run for run in found if run.state()["status"] == FINISHED]
    matches = finished[-1:] if run_id == "latest" else [run for run in found if run.run_id.startswith(run_id)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(run.run_id for run in found) or "none"
    raise ConfigError(f"run '{run_id}' is not one of the runs in {output / RUNS} ({known}); give one of them")


def write_atomically(path: Path, content: bytes) -> None:
    """A temporary file, fsync, rename, fsync of the folder: readers see the old file or the new one whole."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _continues(run: RunFolder, key: str) -> bool:
    if not run.has(STATE):
        return False
    state = run.state()
    return state.get("identity") == key and state.get("status") == RUNNING


def _new_run(output: Path, key: str, identity: Mapping[str, Any]) -> RunFolder:
    now = datetime.now(UTC)
    run = RunFolder(output / RUNS / f"{now:%Y%m%d-%H%M%S}-{uuid4().hex[:6]}")
    run.path.mkdir(parents=True)
    run.write_json(
        STATE,
        {
            "identity": key,
            "inputs": dict(identity),
            "status": RUNNING,
            "created_at": now.isoformat(),
            "attempts": 1,
        },
    )
    return run
