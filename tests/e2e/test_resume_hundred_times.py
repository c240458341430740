"""kill -9 at random moments of trainings, resumed until they finish: no noise twice, redone work charged."""

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.evidence.bars import Bar
from recsys.privacy import accountant
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from tests.e2e.killed_training import Trainer
from tests.e2e.test_interrupted_training import ledgers

pytestmark = [pytest.mark.e2e, pytest.mark.evidence]

CAP = 100.0
"""Wide, so that what is redone is never refused: here it is counted, not bounded."""
KILLS_EACH = 4
"""Of one training at most: there are then many first stages, and few trainings that are only redone."""
FIRST_GUESS_SECONDS = 3.0


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "witness.txt"


@pytest.fixture
def trainer(tmp_path: Path, witness: Path, small_settings: list[str]) -> Iterator[Trainer]:
    made = Trainer(witness, tmp_path / "log.txt", small_settings)
    yield made
    made.close()


@pytest.fixture
def new_folder(
    small_world: Path, new_output: Callable[[Path], Path], tmp_path: Path
) -> Callable[[int], Path]:
    """Makes a world of its own with a wide cap, and an output folder, for each training."""

    def make(number: int) -> Path:
        folder = tmp_path / f"training-{number}"
        shutil.copytree(small_world, folder / "world")
        for silo in folder.rglob("silo.toml"):
            lines = silo.read_text().splitlines()
            wide = [f"epsilon_cap = {CAP}" if "epsilon_cap" in line else line for line in lines]
            silo.write_text("\n".join(wide) + "\n")
        new_output(folder / "out")
        return folder

    return make


def test_killed_and_resumed_no_noise_is_repeated_and_redone_work_is_charged(
    trainer: Trainer, witness: Path, new_folder: Callable[[int], Path], counted, evidence
) -> None:
    kills, wanted, folders = 0, counted(3, 100), []
    whole, chosen = FIRST_GUESS_SECONDS, random.Random(os.urandom(8))
    while kills < wanted:
        folders.append(new_folder(len(folders)))
        for _ in range(min(KILLS_EACH, wanted - kills)):
            code = trainer.train(folders[-1], chosen.uniform(0.0, whole))
            assert code in (0, -signal.SIGKILL)
            if code == 0:
                whole *= 0.7
                break
            kills += 1
        else:
            begin = time.monotonic()
            assert trainer.train(folders[-1]) == 0
            # What was left to do, and as much again: kills then fall on every part of a training.
            whole = 2 * (time.monotonic() - begin)
    words = [line.split() for line in witness.read_text().splitlines()]
    noise, left = ([w for w in words if w[0] == kind] for kind in ("noise", "left"))
    repeated = sum(len(kind) - len({w[1] for w in kind}) for kind in (noise, left))
    redone = sum(check_charged(folder, left) for folder in folders)
    evidence(
        "training killed at random moments and resumed",
        bar="all that left is under a charge of its own, redone work too, and the report counts all of it",
        measured=f"{len(folders)} trainings: {len(left)} sums and {len(noise)} parts of keystreams; "
        f"{redone} steps charged beyond the plans",
        bars=[
            Bar("kills", kills, at_least=wanted),
            Bar("sums and parts of keystreams that are repeated", repeated, at_most=0),
        ],
    )


def check_charged(folder: Path, left: list[list[str]]) -> int:
    """Every sum that left is under a row charged for it, and the report counts all; steps beyond the plan.

    A kill can fall between the end of a run and the end of its process: the next start is then a new run.
    """
    finished = sorted(path.parent for path in (folder / "out" / "runs").glob("*/report.json"))
    run = finished[-1]
    report = json.loads((run / "report.json").read_text())
    plan = PrivacyPlan.from_json((run / "plan.json").read_text())
    redone = 0
    for name, ledger in ledgers(folder).items():
        charged = {row.id: row for row in ledger.rows() if row.kind == "reserve"}
        used = Counter(
            (int(row), mechanism) for _, _, path, row, mechanism in left if path == str(ledger.path)
        )
        for (row, mechanism), sums in used.items():
            assert charged[row].details["mechanism"] == mechanism
            assert sums <= charged[row].event.steps
        steps = sum(row.event.steps for row in charged.values())
        planned = len(finished) * sum(event.steps for event in plan.events())
        assert steps >= planned
        assert steps >= used.total()
        assert report["silos"][name]["epsilon_lifetime"] == pytest.approx(
            accountant.epsilon([row.event for row in charged.values()], plan.delta)
        )
        assert ledger.verify([report["ledger_heads"][name]]).ok
        redone += steps - planned
    events = {name: ledger.events() for name, ledger in ledgers(folder).items()}
    mirrored = [Ledger(path / "ledger.db").mirrored() for path in finished]
    for name, spent in events.items():
        assert Counter(event for kept in mirrored for event in kept[name]) == Counter(spent)
    assert report["person_epsilon_lifetime"] == pytest.approx(
        accountant.person_epsilon(events, plan.max_silos_per_person, plan.delta)
    )
    return redone
