"""Trainings in children of a warmed process, killed at a given moment, with a witness of all noise."""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("training.client_app", "training.coordinator", "training.engine")


def serve(witness: Path) -> None:
    """A warmed process. For each line 'SECONDS COMMAND...': fork it, kill -9 it then, print how it ended."""
    from recsys.cli import main
    from recsys.quiet import quiet_libraries

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
        start = f"from tests.e2e.killed_training import Path, serve; serve(Path({str(witness)!r}))"
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
