"""kill -9 in every stage of a run, then the same command again: it finishes, and all that left is charged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.bundle.store import read_bundle
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import FederationConfig

pytestmark = pytest.mark.e2e

KILL_AFTER = [
    "silos 0/1",
    "plan 0/1",
    "popularity 0/1",
    "intervals 0/1",
    "rhythm 1/3",
    "season 0/1",
    "followups 0/1",
    "demand 0/1",
    "copurchase 0/1",
    "factors 0/1",
    "towers 3/5",
    "receipts 0/1",
    "bundle 0/1",
    "tracking 0/1",
]
"""Progress lines: each kill falls into the stage that the line opens (step 3 is inside a block of two)."""


STARTER = """
import os, sys
from recsys.cli import main
from recsys.quiet import quiet_libraries

quiet_libraries()
import dp_accounting.pld, matplotlib.figure, mlflow  # the slow imports, once for all attempts
import training.client_app, training.coordinator, training.engine

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv = line.split()
        main()
        sys.exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Terminal:
    """Runs `thousandfaces train` again and again, each time in a process of its own."""

    def __init__(self, root: Path, settings: list[str]) -> None:
        settings = [part for setting in settings for part in ("--set", setting)]
        paths = ["--federation", str(root / "world" / "federation.toml"), "--output", str(root / "out")]
        self._line = " ".join(["thousandfaces", "train", *paths, *settings, "--json"])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._starter = subprocess.Popen([sys.executable, "-c", STARTER], text=True, **pipes)

    def kill_after(self, line: str) -> None:
        """Train, and kill -9 the process as soon as it prints a progress line."""
        child = self._start()
        for shown in self._starter.stderr:
            if shown.startswith(line):
                time.sleep(0.02)
                os.kill(child, signal.SIGKILL)
                break
        assert int(self._starter.stdout.readline()) == -signal.SIGKILL

    def finish(self) -> dict:
        """Train to the end; the report."""
        self._start()
        report = json.loads(self._starter.stdout.readline())
        assert int(self._starter.stdout.readline()) == 0
        self._starter.communicate()
        return report

    def _start(self) -> int:
        self._starter.stdin.write(f"{self._line}\n")
        self._starter.stdin.flush()
        return int(self._starter.stdout.readline())


@pytest.fixture(scope="module")
def story(
    small_world: Path,
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict, list[dict[str, int]]]:
    """One run, killed once in every stage; what each silo's ledger had charged after every kill."""
    root = tmp_path_factory.mktemp("interrupted")
    shutil.copytree(small_world, root / "world")
    new_output(root / "out")
    terminal, charged = Terminal(root, small_settings), []
    for line in KILL_AFTER:
        terminal.kill_after(line)
        assert not list((root / "out" / "runs").glob("*/bundle/manifest.json")) or line.startswith("tracking")
        charged.append({name: steps(ledger) for name, ledger in ledgers(root).items()})
    return root, terminal.finish(), charged


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
