"""kill -9 in every stage of a run, then the same command again: it finishes, and all that left is charged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys.bundle.store import read_bundle
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world

pytestmark = pytest.mark.e2e

SETTINGS = [
    "copurchase.top_items=60",
    "copurchase.rank=4",
    "towers.steps=5",
    "towers.embedding_dim=4",
    "towers.sampling_rate=0.2",
    "checkpoint_every=2",
]
KILL_AFTER = ["popularity 0/1", "copurchase 0/1", "towers 3/5", "receipts 0/1", "bundle 0/1", "tracking 0/1"]
"""Progress lines: each kill falls into the stage that the line opens (step 3 is inside a block of two)."""


def command(root: Path) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    start = "from recsys.cli import main; main()"
    paths = ["--federation", str(root / "world" / "federation.toml"), "--output", str(root / "out")]
    return [sys.executable, "-c", start, "train", *paths, *settings, "--json"]


def kill_after(root: Path, line: str) -> None:
    """Start training and kill -9 the whole process as soon as it prints a progress line."""
    with subprocess.Popen(command(root), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        assert run.stderr is not None
        for shown in run.stderr:
            if shown.startswith(line):
                time.sleep(0.02)
                os.kill(run.pid, signal.SIGKILL)
                break
        else:
            pytest.fail(f"the run ended before '{line}'")
    assert run.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, list[dict[str, int]]]:
    """One run, killed once in every stage; what each silo's ledger had charged after every kill."""
    root = tmp_path_factory.mktemp("interrupted")
    write_world(WorldConfig(persons=300, n_items=240, weeks=6), root / "world")
    charged = []
    for line in KILL_AFTER:
        kill_after(root, line)
        assert not list((root / "out" / "runs").glob("*/bundle/manifest.json")) or line.startswith("tracking")
        charged.append({name: steps(ledger) for name, ledger in ledgers(root).items()})
    done = subprocess.run(command(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout), charged


def ledgers(root: Path) -> dict[str, Ledger]:
    silos = FederationConfig.load(root / "world" / "federation.toml").silo_configs()
    return {silo.name: Ledger(silo.ledger) for silo in silos if silo.ledger.exists()}


def steps(ledger: Ledger) -> int:
    return sum(event.steps for event in ledger.events())


def test_one_run_went_on_to_its_end(story: tuple[Path, dict, list[dict[str, int]]]) -> None:
    root, report, _ = story
    assert [path.name for path in (root / "out" / "runs").iterdir()] == [report["run_id"]]
    assert report["attempts"] == len(KILL_AFTER) + 1
    assert report["model"]["version"] == 1


def test_the_bundle_is_whole_and_states_what_was_spent(
    story: tuple[Path, dict, list[dict[str, int]]],
) -> None:
    _, report, _ = story
    bundle = read_bundle(Path(report["bundle"]))
    assert bundle.statement["epsilon"] == pytest.approx(report["person_epsilon_lifetime"])


def test_spending_never_shrinks_and_covers_what_was_released(
    story: tuple[Path, dict, list[dict[str, int]]],
) -> None:
    root, report, charged = story
    plan = PrivacyPlan.from_json((Path(report["folder"]) / "plan.json").read_text())
    planned = sum(event.steps for event in plan.events())
    final = {name: steps(ledger) for name, ledger in ledgers(root).items()}
    for before, after in zip(charged, [*charged[1:], final], strict=True):
        assert all(after[name] >= spent for name, spent in before.items())
    assert all(total >= planned for total in final.values())
    # The killed block of two towers' steps was charged again when it was redone.
    assert all(total >= planned + 2 for total in final.values())
    assert report["within_target"] == (report["person_epsilon"] <= plan.target_epsilon)


def test_every_ledger_is_sound_and_mirrored(story: tuple[Path, dict, list[dict[str, int]]]) -> None:
    root, report, _ = story
    mirrored = Ledger(Path(report["folder"]) / "ledger.db").mirrored()
    for name, ledger in ledgers(root).items():
        assert ledger.verify([report["ledger_heads"][name]]).ok
        assert sorted(mirrored[name]) == sorted(ledger.events())
