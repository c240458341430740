"""An audit's result: one JSON file, rows in the silos' ledgers, and a run in MLflow."""

from __future__ import annotations

import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recsys.bundle.registry_mlflow import QUIET
from recsys.errors import ConfigError
from recsys.privacy.ledger import Ledger
from training.audit.canaries import STAMP
from training.audit.finding import Finding
from training.audit.one_run import OneRunResult
from training.audit.step_audit import StepResult
from training.tracking import EXPERIMENT

RESULT = "audit.json"
FOLDER = "audits"


@dataclass(frozen=True)
class CheckLine:
    """A finding as it is kept; None where the check has no figure."""

    check: str
    ok: bool
    measured: float | None
    bound: float | None
    words: str

    @classmethod
    def of(cls, finding: Finding) -> CheckLine:
        """The finding, without the nan that JSON does not know."""
        measured, bound = (
            float(value) if math.isfinite(value) else None for value in (finding.measured, finding.bound)
        )
        return cls(finding.check, bool(finding.ok), measured, bound, finding.words)


@dataclass(frozen=True)
class AuditResult:
    """All that an audit found. The attacked customers are synthetic: the audit cost nobody's budget.

    created: ISO time, UTC; code_hash: of the code that was attacked; full: at the counts of the evidence
    """

    audit_id: str
    created: str
    seconds: float
    full: bool
    delta: float
    code_version: str
    code_hash: str
    checks: tuple[CheckLine, ...]
    steps: tuple[StepResult, ...]
    one_run: tuple[OneRunResult, ...]
    stamp: str = STAMP

    @property
    def lines(self) -> tuple[CheckLine, ...]:
        """Every finding: the checks, then the step audits, then the one-run audits."""
        attacks = [step.finding for step in self.steps] + [run.finding for run in self.one_run]
        return (*self.checks, *map(CheckLine.of, attacks))

    @property
    def failed(self) -> tuple[CheckLine, ...]:
        """The findings that contradict the claim."""
        return tuple(line for line in self.lines if not line.ok)

    def to_json(self) -> bytes:
        """The result as a file keeps it."""
        return _ADAPTER.dump_json(self, indent=2)

    def summary(self) -> dict[str, Any]:
        """What a ledger's row keeps: public facts of the code, nothing of any customer."""
        bounds = {f"one_run.{result.claim:g}": round(result.bound, 4) for result in self.one_run}
        bounds |= {
            f"step.{result.mechanism}.{result.claim:g}": round(result.bound, 4) for result in self.steps
        }
        return {
            "audit_id": self.audit_id,
            "audit_ok": not self.failed,
            "failed": sorted({line.check for line in self.failed}),
            "full": self.full,
            "delta_of_claims": self.delta,
            "bounds": bounds,
            "attacked_code_hash": self.code_hash,
            "result_sha256": hashlib.sha256(self.to_json()).hexdigest(),
            "stamp": self.stamp,
        }


_ADAPTER = TypeAdapter(AuditResult)


def save(result: AuditResult, output: Path) -> Path:
    """Write the result to a folder of its own; returns the folder. Raises ConfigError if it cannot."""
    folder = output / FOLDER / result.audit_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_bytes(result.to_json())
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; give another folder with --output") from None
    return folder


def find(path: Path) -> Path:
    """The folder of this audit, or of the latest one in an output folder. Raises ConfigError."""
    if path.name == RESULT:
        return path.parent
    found = (
        [path] if (path / RESULT).exists() else [file.parent for file in path.glob(f"{FOLDER}/*/{RESULT}")]
    )
    if not found:
        raise ConfigError(f"{path}: holds no audit; run: thousandfaces audit run --output {path}")
    return max(found, key=lambda folder: folder.name)


def load(folder: Path) -> AuditResult:
    """The result in this folder. Raises ConfigError."""
    path = folder / RESULT
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give an audit's folder") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"{path}: is no audit ({where}: {first['msg']}); run the audit again") from None


def record_in_ledgers(result: AuditResult, ledgers: dict[str, Ledger]) -> dict[str, int]:
    """A row in each silo's ledger; returns the rows' numbers. Nothing is charged: no customer was read."""
    return {silo: ledger.record_audit(silo, result.summary()) for silo, ledger in ledgers.items()}


def record_in_mlflow(result: AuditResult, folder: Path, uri: str, artifacts: Path) -> str:
    """A run with every bound as a metric, and all files of the folder; returns the run's id."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, str(artifacts))
    tags = {"thousandfaces.audit_id": result.audit_id, "claim": result.stamp, "code_hash": result.code_hash}
    run = client.create_run(experiment, run_name=f"audit {result.audit_id}", tags=tags)
    run_id: str = run.info.run_id
    now = int(time.time() * 1000)
    values = {"audit.failed": float(len(result.failed)), "audit.seconds": result.seconds}
    values |= {f"audit.{name}": bound for name, bound in result.summary()["bounds"].items()}
    client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in values.items()])
    client.log_artifacts(run_id, str(folder), "audit")
    client.set_terminated(run_id)
    return run_id
