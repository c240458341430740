"""kill -9 at random moments of trainings, resumed until they finish: no noise twice, redone work charged."""

import hashlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from recsys.privacy import accountant
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from tests.e2e.test_interrupted_training import ledgers

pytestmark = [pytest.mark.e2e, pytest.mark.evidence]

ROOT = Path(__file__).parents[2]
APPS = ("training.client_app", "training.coordinator", "training.engine")
CAP = 100.0
"""Wide, so that what is redone is never refused: here it is counted, not bounded."""
KILLS_EACH = 4
"""Of one training at most: there are then many first stages, and few trainings that are only redone."""
FIRST_GUESS_SECONDS = 3.0


def serve(witness: Path) -> None:
    """A warmed process. For each line 'SECONDS COMMAND...': fork it, kill -9 it then, print how it ended."""
    from recsys.cli import main, quiet_libraries

    quiet_libraries()
    for slow in ("dp_accounting.pld", "matplotlib.figure", "mlflow", *APPS):
        import_module(slow)
    watch_noise(witness)
    for line in sys.stdin:
        seconds, *command = line.split()
        child = os.fork()
        if child == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            sys.argv = command
            main()
            os._exit(0)
        print(ended(child, float(seconds)), flush=True)


def ended(child: int, seconds: float) -> int:
    """The child's exit code; it is killed if it still runs after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def watch_noise(witness: Path) -> None:
    """Write a line for every part of a keystream that is used, and for every sum that leaves."""
    from recsys.privacy.mechanisms import SecureNoise
    from training.spend import Reservation

    file = os.open(witness, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    keystream, release = SecureNoise._bytes, Reservation.release

    def watched_keystream(self: SecureNoise, n: int) -> bytes:
        drawn = keystream(self, n)
        os.write(file, f"noise {hashlib.sha256(drawn[:64]).hexdigest()}\n".encode())
        return drawn

    def watched_release(self: Reservation, *arguments):
        released = release(self, *arguments)
        silo = f"{self._ledger.path} {released.reservation} {self.mechanism}"
        digest = hashlib.sha256(released.values.tobytes()).hexdigest()
        os.write(file, f"left {digest} {silo}\n".encode())
        return released

    SecureNoise._bytes, Reservation.release = watched_keystream, watched_release


class Trainer:
    """Starts trainings in children of a warmed process, and kills them."""

    def __init__(self, witness: Path, log: Path, settings: list[str]) -> None:
        self._settings = [part for setting in settings for part in ("--set", setting)]
        start = f"from tests.e2e.test_resume_hundred_times import Path, serve; serve(Path({str(witness)!r}))"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log.open("w")}
        self._server = subprocess.Popen([sys.executable, "-c", start], cwd=ROOT, text=True, **pipes)

    def train(self, folder: Path, seconds: float = math.inf) -> int:
        """Train or go on with the training in this folder; -9 if it was killed after so many seconds."""
        paths = ["--federation", str(folder / "world" / "federation.toml"), "--output", str(folder / "out")]
        line = [str(seconds), "thousandfaces", "train", *paths, *self._settings]
        self._server.stdin.write(" ".join(line) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        """Stop the warmed process."""
        self._server.communicate()


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
                break
            kills += 1
        else:
            begin = time.monotonic()
            assert trainer.train(folders[-1]) == 0
            # What was left to do, and as much again: kills then fall on every part of a training.
            whole = 2 * (time.monotonic() - begin)
    words = [line.split() for line in witness.read_text().splitlines()]
    noise, left = ([w for w in words if w[0] == kind] for kind in ("noise", "left"))
    for kind in (noise, left):
        assert len({w[1] for w in kind}) == len(kind), "noise was repeated"
    redone = sum(check_charged(folder, left) for folder in folders)
    evidence(
        "training killed at random moments and resumed",
        bar="100 kills: no noise repeated, redone work charged",
        measured=f"{kills} kills of {len(folders)} trainings: {len(left)} sums and {len(noise)} parts of "
        f"keystreams, no two equal; {redone} steps charged beyond the plans",
    )


def check_charged(folder: Path, left: list[list[str]]) -> int:
    """Every sum that left is under a row charged for it, and the report counts all; steps beyond the plan."""
    (run,) = (folder / "out" / "runs").iterdir()
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
        planned = sum(event.steps for event in plan.events())
        assert steps >= planned
        assert steps >= used.total()
        assert report["silos"][name]["epsilon_lifetime"] == pytest.approx(
            accountant.epsilon([row.event for row in charged.values()], plan.delta)
        )
        assert ledger.verify([report["ledger_heads"][name]]).ok
        redone += steps - planned
    events = Ledger(run / "ledger.db").mirrored()
    assert report["person_epsilon_lifetime"] == pytest.approx(
        accountant.person_epsilon(events, plan.max_silos_per_person, plan.delta)
    )
    return redone
