"""Follow-ups through the real training path, on worlds with and without them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from experiments.followups.report import METHODS, WORLDS, FollowupOptions, Followups
from experiments.quality.private import PRESETS, merged
from experiments.twin import train_twin
from recsys.bundle.store import read_bundle
from recsys.models.followup_rules import FollowUp
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml
from training.progress import Progress, silent
from training.run import run_training


def run_followups(
    options: FollowupOptions, seeds: Sequence[int], *, command: str, progress: Progress = silent
) -> Followups:
    """Make, train and compare every seed's worlds. Errors: ConfigError, and those of `run_training`."""
    by_seed, spent = {}, 0.0
    for seed in seeds:
        by_seed[seed] = dict[str, dict[str, tuple[FollowUp, ...]]]()
        for kind in WORLDS:
            with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
                config = _config(options, seed, kind, Path(work))
                trained = run_training(config, progress=progress)
                spent = max(spent, float(trained.report["person_epsilon"]))
                bundles = read_bundle(trained.bundle_folder), train_twin(config)
            rules = (bundle.follow_ups or () for bundle in bundles)
            by_seed[seed][kind] = dict(zip(METHODS, rules, strict=True))
    return Followups(options, command, spent, by_seed)


def _config(options: FollowupOptions, seed: int, kind: str, work: Path) -> TrainingConfig:
    world = options.world(seed, kind)
    run = {
        "federation": write_world(world, work / "world"),
        "output": work / "run",
        "seed": seed,
        "threads": 1,
        "until": world.start + timedelta(days=world.days),
        "privacy": {"epsilon": options.epsilon, "delta": options.delta},
    }
    preset = PRESETS / "followups.toml"
    return parse_config(merged(read_toml(preset), run), source=str(preset))
