"""What a run writes outside the silos, on two neighbouring worlds whose silos send the same noised sums."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq

from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import SiloConfig
from training import coordinator, spend
from training.audit.checks.bench import Bench, bench
from training.audit.checks.earlier import spend_before
from training.audit.checks.shared import once_for_a_build
from training.audit.checks.told import recorder
from training.audit.finding import Finding
from training.config import TrainingConfig
from training.config_file import load_config
from training.plan import make_plan
from training.run import run_training
from training.spend import Released, Reservation

SETTINGS = (
    "copurchase.top_items=60",
    "copurchase.rank=4",
    "until=2026-06-22T00:00:00Z",
    "privacy.shares.intervals=0.02",
    "privacy.shares.rhythm=0.02",
    "privacy.shares.followups=0.05",
    "privacy.shares.demand=0.05",
    "privacy.shares.season=0.01",
    "privacy.shares.towers=0.3",
    "privacy.shares.metrics=0.1",
    "towers.steps=3",
    "towers.embedding_dim=4",
    "towers.sampling_rate=0.2",
    "checkpoint_every=2",
    "threads=1",
    "rhythm.rounds=2",
)
# Made anew in each run, or of what is made anew.
OWN = re.compile(
    r"time|created|run_id|seconds|hash|seal|head|version|finished|host|pid|^id$|published|sha256"
)
STAMP = re.compile(r"\d{8}[T-]?\d{6}[-\w]*|\d{4}-\d\d-\d\d[T ][\d:.+Z-]+|[0-9a-f]{32,}")


@dataclass
class Written:
    """All that a run left outside the silos' folders, by place; and the world of those silos."""

    folder: Path
    bundle: Path
    world: Bench
    facts: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def published_model() -> list[Finding]:
    """Every file, progress line and record of a run: a function of what silos sent, and of nothing else."""
    one, other = whole_run(), _run(bench().neighbour.copy())
    places = sorted(one.facts.keys() | other.facts.keys())
    differ = [place for place in places if one.facts.get(place) != other.facts.get(place)]
    named = _named(one.folder)
    fine = [stage for stage, seconds in one.seconds.items() if seconds != int(seconds)]
    words = f"{len(differ)} of {len(places)} published facts follow one customer's data, {_some(differ)}"
    return [
        Finding("published model", not differ, len(differ), 0, words),
        Finding("published model", not named, len(named), 0, f"customers are named in {_some(named)}"),
        Finding("published model", not fine, len(fine), 0, f"{len(fine)} times are finer than seconds"),
    ]


@once_for_a_build
def whole_run() -> Written:
    """A run over the whole bench, whose bundle is served by another check."""
    return _run(bench().copy())


def plan_of(world: Bench) -> PrivacyPlan:
    """The plan of the run, which its coordinator makes again; an earlier run has spent something already."""
    silos = world.federation.silo_configs()
    return make_plan(
        _config(world, world.root),
        world.catalogue,
        registered_customers={silo.name: silo.registered_customers for silo in silos},
        max_silos_per_person=world.federation.max_silos_per_person,
        timestamps=True,
    )


def _config(world: Bench, output: Path) -> TrainingConfig:
    return load_config(None, SETTINGS, {"federation": world.root / "federation.toml", "output": output})


def _some(places: list[str]) -> str:
    return f"such as {', '.join(places[:3])}" if places else "none"


def _run(world: Bench) -> Written:
    output, lines = world.scratch(), list[str]()

    def noted(*line: object) -> None:
        lines.append(" ".join(map(str, line)))

    recorded = list[Any]()
    spend_before(world, plan_of(world))
    with _same_sums(), patch.object(coordinator, "record_run", recorder(recorded)):
        result = run_training(_config(world, output), progress=noted, resume=False)
    written = Written(output, result.bundle_folder, world, seconds=result.report["seconds"])
    written.facts = {f"progress {n}": line for n, line in enumerate(lines)}
    written.facts |= {f"record/{key}": value for key, value in _flat(recorded)}
    for path in sorted(file for file in output.rglob("*") if file.is_file()):
        place = STAMP.sub("*", str(path.relative_to(output)))
        written.facts |= {f"{place}/{key}": value for key, value in _content(path)}
    return written


@contextmanager
def _same_sums() -> Iterator[None]:
    """Silos compute, draw and charge as ever; what leaves is the same on every world, release by release."""
    real, count = Reservation.release, [0]

    def release(self: Reservation, mechanism: str, draw: Any) -> Released:
        released = real(self, mechanism, draw)
        count[0] += 1
        drawn = np.random.default_rng(count[0]).normal(size=released.values.shape) * 20.0
        return Released(drawn.astype(np.float32), released.reservation, spend._KEY)

    with patch.object(Reservation, "release", release):
        yield


def _content(path: Path) -> Iterator[tuple[str, object]]:
    """A file as facts that can be compared; bytes by their digest."""
    if path.suffix == ".json":
        yield from _flat(json.loads(path.read_bytes()))
    elif path.suffix not in (".db", ".heads", ".sqlite", ".lock"):
        yield "digest", hashlib.sha256(path.read_bytes()).hexdigest()


def _flat(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of a JSON value by their path, without what each run makes anew."""
    entries = list(value.items()) if isinstance(value, dict) else None
    if entries is None and isinstance(value, list | tuple):
        entries = list(enumerate(value))
    if entries is None:
        yield place, STAMP.sub("*", value) if isinstance(value, str) else value
        return
    for key, inner in entries:
        if not OWN.search(str(key)):
            yield from _flat(inner, f"{place}/{key}")


def _named(folder: Path) -> list[str]:
    """Files of a run in which a customer's id stands."""
    ids = re.compile("|".join(map(re.escape, _customers())).encode())
    return [path.name for path in folder.rglob("*") if path.is_file() and ids.search(path.read_bytes())]


def _customers() -> list[str]:
    found = list[str]()
    for path in bench().federation.silos:
        rows = pq.read_table(SiloConfig.load(path).folder / "customers.parquet", columns=["customer_id"])
        found += rows["customer_id"].to_pylist()
    return found
