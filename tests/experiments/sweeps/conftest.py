"""A sweep over a world that trains in seconds, and records as a sweep leaves them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.sweeps.folder import SweepFolder, TrialRecord
from experiments.sweeps.grid import Trial, trials
from experiments.sweeps.spec import SweepSpec

TINY = """\
name = "tiny"
seeds = 1
sample = 40

[data]
source = "simulated"
persons = 300
items = 240

[training]
threads = 1
copurchase = { top_items = 60, rank = 4 }
towers = { steps = 5, embedding_dim = 4, sampling_rate = 0.2 }

[grid]
epsilon = [1.0, 8.0]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of the tiny sweep."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def recorded(trial: Trial, **changes: object) -> TrialRecord:
    """A record with figures that follow from the trial: recall 0.1, plus a hundredth for each epsilon."""
    epsilon = float(trial.cell.get("epsilon", 0))
    figures = {
        "private": {"recall_at_10": 0.1 + epsilon / 100 + trial.number / 1000},
        "popularity": {"recall_at_10": 0.05},
        "+ towers": {"recall_at_10": 0.9},
    }
    privacy = {"person_epsilon": epsilon - 0.01, "delta": 1e-6, "max_silos_per_person": 2}
    made = {"command": "thousandfaces experiment sweep x.toml", "commit": "abc1234", "date": "2026-01-02"}
    content = {
        "key": trial.key,
        "cell": trial.cell,
        "number": trial.number,
        "seed": trial.seed,
        "status": "finished",
        "stamp": "simulated data",
        "made": made,
        "seconds": 1.0,
        "figures": figures,
        "privacy": privacy,
    }
    return TrialRecord(**content | changes)


@pytest.fixture
def swept(tmp_path: Path) -> Callable[..., Path]:
    """Makes the folder of a sweep with the given grid; `failing` trials (by their number) have an error."""

    def make(grid: dict[str, list], *, seeds: int = 3, failing: tuple[int, ...] = (), left: int = 0) -> Path:
        spec = SweepSpec(name="made", grid=grid, seeds=seeds, metrics=("recall_at_10", "ndcg_at_10"))
        everything = trials(spec, source="made.toml")
        folder = SweepFolder(tmp_path / f"sweep-{len(list(tmp_path.iterdir()))}")
        with folder.opened():
            listed = [{"key": trial.key} for trial in everything]
            folder.write_sweep(
                {"spec": spec.model_dump(mode="json"), "stamp": "simulated data", "trials": listed}
            )
            for place, trial in enumerate(everything[: len(everything) - left]):
                error = {
                    "status": "failed",
                    "figures": {},
                    "privacy": {},
                    "error": "PlanError: <none> & no more",
                }
                folder.write(recorded(trial, **error if place in failing else {}))
        return folder.path

    return make
