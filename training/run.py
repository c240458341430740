"""One training run from configuration to published bundle: what the command line and the demo call."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.privacy.plan import PrivacyPlan
from recsys.quiet import quiet_libraries
from recsys.silos.config import FederationConfig
from training.config import TrainingConfig
from training.progress import Progress, silent


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    folder: the run's folder; bundle_folder: the bundle in it; plan: what was promised;
    report: what was spent (by silo and by person), seconds by stage, model version (see `training.settle`)
    """

    run_id: str
    folder: Path
    bundle_folder: Path
    plan: PrivacyPlan
    report: Mapping[str, Any]


def run_training(
    config: TrainingConfig, *, progress: Progress = silent, resume: bool = True
) -> TrainingResult:
    """Train with all silos in this process (each only reads its own folder), publish and register the bundle.

    resume: continue the latest unfinished run of the same configuration; finished stages are not redone, what
    is redone is charged again.
    Raises ConfigError, PlanError, BudgetExceededError, QuorumError, TrainingError, BundleError or
    RegistryError.
    """
    quiet_libraries()
    # Opacus' second backward pass needs no gradients of the inputs, which torch finds worth a warning.
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    from training.client_app import app
    from training.coordinator import coordinate
    from training.node import node_for
    from training.simulate import in_process

    nodes = len(FederationConfig.load(config.federation).silos)
    settings = {"federation": str(config.federation.absolute())}
    try:
        with in_process(app, nodes=nodes, run_config=settings, threads=config.threads) as grid:
            return coordinate(grid, config, progress=progress, resume=resume)
    finally:
        node_for.cache_clear()  # no silo's data stay in memory after the run
