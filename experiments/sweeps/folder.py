"""A sweep's folder: what was asked, a record of each trial that is there whole or not at all, and a lock."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from experiments.sweeps.grid import Trial
from recsys.errors import ConfigError, TrainingError
from training.checkpoint import write_atomically

SWEEP, RECORDS, WORK, LOCK = "sweep.json", "trials", "work", ".lock"
FINISHED, FAILED = "finished", "failed"


@dataclass(frozen=True)
class TrialRecord:
    """One trial that ended: what it was, what it spent, what it found; or the error that it ended with.

    figures: by method, then by metric; made: command, commit and date
    """

    key: str
    cell: Mapping[str, Any]
    number: int
    seed: int
    status: str
    stamp: str
    made: Mapping[str, str]
    seconds: float
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    privacy: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    training_run: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has figures."""
        return self.status == FINISHED


@dataclass(frozen=True)
class SweepFolder:
    """<output>/: sweep.json, trials/<key>.json, work/ of the trial that runs, mlflow.db, artifacts/, reports.

    Runs on real silos have their folders here too (runs/, see `training.checkpoint`), and they stay.
    """

    path: Path

    @property
    def tracking_uri(self) -> str:
        """The sweep's own MLflow database."""
        return f"sqlite:///{(self.path / 'mlflow.db').absolute()}"

    @property
    def artifacts(self) -> Path:
        """Where that database's artifacts are."""
        return (self.path / "artifacts").absolute()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder and keep other processes off it.

        Raises TrainingError if another sweep is at it, ConfigError if it cannot be made.
        """
        try:
            (self.path / RECORDS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}; give another folder with --output") from None
        with (self.path / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise TrainingError(f"{self.path}: another sweep is at it; wait, or use --output") from None
            yield

    def work(self, trial: Trial) -> Path:
        """A fresh folder for an attempt at a trial."""
        # A name of its own each time: a killed attempt's child may still be writing into the last one.
        fresh = self.path / WORK / f"{trial.key}-{uuid4().hex[:8]}"
        fresh.mkdir(parents=True)
        return fresh

    def clear(self, trial: Trial) -> None:
        """Remove what the trial, and earlier attempts at it, worked with."""
        for folder in (self.path / WORK).glob(f"{trial.key}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def write_sweep(self, content: Mapping[str, Any]) -> None:
        """What the sweep is: read by the report."""
        write_atomically(self.path / SWEEP, _json(content))

    def read_sweep(self) -> dict[str, Any]:
        """What `write_sweep` wrote. Raises ConfigError naming the file."""
        return _read(self.path / SWEEP)

    def write(self, record: TrialRecord) -> None:
        """Keep a trial's record; a crash leaves the old one or the new one."""
        write_atomically(self.path / RECORDS / f"{record.key}.json", _json(vars(record)))

    def read(self, key: str) -> TrialRecord | None:
        """A trial's record; None if it has not ended. Raises ConfigError if it is not readable."""
        path = self.path / RECORDS / f"{key}.json"
        if not path.exists():
            return None
        try:
            return TrialRecord(**_read(path))
        except TypeError:
            raise ConfigError(f"{path}: not a trial's record; remove it, and the trial runs again") from None


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode()


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: not there; give the folder of a sweep that has been started") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable ({error}); remove it and run the sweep again") from None
    return content
