"""The product end to end on a simulated world: silos, private training, publishing, serving, figures."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from experiments.comparison import Entry, compare
from experiments.spec import StudySpec, WorldData, load_spec
from experiments.storefront import Server, Shopper, Visit, serving
from experiments.study import Prepared, prepare, training_config, twin_beside
from recsys.bundle.registry_mlflow import MlflowRegistry
from recsys.bundle.store import read_bundle
from recsys.errors import ConfigError
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from training.progress import Progress, silent
from training.run import TrainingResult, run_training
from training.tracking import tracking_uri

MARKER = ".thousandfaces-demo"
CHAMPION = "champion"
SPEC = Path(__file__).parent / "configs" / "demo.toml"


@dataclass(frozen=True)
class DemoOptions:
    """Where the demo writes, how large its world is, and which seed makes it."""

    folder: Path = Path(".thousandfaces/demo")
    persons: int | None = None
    seed: int = 0
    port: int = 8080


@dataclass(frozen=True)
class DemoResult:
    """What the demo did and found; `to_dict` is its JSON."""

    training: TrainingResult
    visits: tuple[Visit, ...]
    due: int
    quality: Mapping[str, Entry]
    ledgers_verified: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Privacy, quality, visits and time as plain values."""
        report = self.training.report
        return {
            "person_epsilon": report["person_epsilon"],
            "delta": report["delta"],
            "max_silos_per_person": report["max_silos_per_person"],
            "silos": [{"name": name, "epsilon": spent["epsilon"]} for name, spent in report["silos"].items()],
            "ledgers_verified": self.ledgers_verified,
            "model_version": report["model_version"],
            "quality": {name: dict(entry.values) for name, entry in self.quality.items()},
            "quality_stamp": "simulated data",
            "visits": [visit.__dict__ | {"changed": visit.changed} for visit in self.visits],
            "due_items_seen": self.due,
            "seconds": round(self.seconds, 1),
            "bundle": str(self.training.bundle_folder),
        }


def run_demo(
    options: DemoOptions,
    *,
    progress: Progress = silent,
    stay: Callable[[DemoResult, Server], None] | None = None,
) -> DemoResult:
    """Run the demo in `options.folder`, which is emptied first if an earlier demo wrote it.

    stay: called with the result while the server still runs. Raises ConfigError if the folder holds anything
    that is not a demo's.
    """
    begin = time.perf_counter()
    spec = demo_spec(options)
    _fresh(options.folder)
    prepared = prepare(spec, seed=options.seed, data=None, work=options.folder, progress=progress)
    config = training_config(spec, prepared, seed=options.seed, work=options.folder)
    with twin_beside(config, prepared.holdouts) as twin:
        trained = run_training(config, progress=progress)
        uri = tracking_uri(config)
        model = trained.report["model"]
        MlflowRegistry(uri).set_alias(config.model_name, CHAMPION, int(model["version"]))
        os.environ["MLFLOW_TRACKING_URI"] = uri
        federation = FederationConfig.load(prepared.federation)
        log, bundle = options.folder / "server.log", f"models:/{config.model_name}@{CHAMPION}"
        with serving(bundle, federation.silos, port=options.port, log=log) as server:
            progress("shopping", 0, 1)
            visits, due = _shop(server.address, [silo.name for silo in federation.silo_configs()])
            progress("shopping", 1, 1)
            quality = _quality(trained, prepared, twin, progress)
            verified = all(Ledger(silo.ledger).verify().ok for silo in federation.silo_configs())
            seconds = time.perf_counter() - begin
            result = DemoResult(trained, visits, due, quality, verified, seconds)
            if stay is not None:
                stay(result, server)
    return result


def demo_spec(options: DemoOptions) -> StudySpec:
    """The demo's study, with the world as large as the options say."""
    spec = load_spec(SPEC)
    if options.persons is None or not isinstance(spec.data, WorldData):
        return spec
    data = spec.data.model_copy(update={"persons": options.persons})
    return spec.model_copy(update={"data": data})


def _fresh(folder: Path) -> None:
    """An empty folder with the demo's marker; an earlier demo's files go, anything else is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise ConfigError(f"{folder}: not empty and not a demo's; give another folder with --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _shop(address: str, silos: Sequence[str]) -> tuple[tuple[Visit, ...], int]:
    """One customer's visit in every silo, and how many items are due for them in all."""
    visits, due = list[Visit](), 0
    with httpx.Client(timeout=30) as client:
        for silo in silos:
            shopper = Shopper(client, address, silo)
            customer = shopper.customers(1)[0]
            due += len(shopper.due(customer))
            visits.append(shopper.visit(customer))
    return tuple(visits), due


def _quality(
    trained: TrainingResult, prepared: Prepared, twin: Future[Entry], progress: Progress
) -> dict[str, Entry]:
    progress("evaluation", 0, 1)
    methods = compare(read_bundle(trained.bundle_folder), prepared.holdouts)
    methods["non_private"] = twin.result()
    progress("evaluation", 1, 1)
    return methods
