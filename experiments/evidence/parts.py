"""Parts of the evidence: the tests that record rows, as pytest collects them, in short groups."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.evidence.plugin import MARK
from recsys.errors import ConfigError, TrainingError

LARGEST = 4
"""Tests of one part at most: more parts lose less when they are killed, and start pytest more often."""


@dataclass(frozen=True)
class Part:
    """Some parameters of one test function; the name is also that of its log."""

    name: str
    tests: tuple[str, ...]

    @property
    def file(self) -> str:
        """The tests' file."""
        return self.tests[0].partition("::")[0]


def collect(root: Path) -> list[str]:
    """The node ids of all tests that record rows. Raises TrainingError if pytest cannot collect them."""
    files = [path for path in sorted((root / "tests").rglob("test_*.py")) if MARK in path.read_text("utf-8")]
    if not files:
        raise ConfigError(f"{root / 'tests'}: no test records evidence; run this in a checkout")
    with TemporaryDirectory() as folder:
        listed = Path(folder) / "tests.json"
        names = [str(path.relative_to(root)) for path in files]
        command = [*pytest_command(), "--collect-only", "-m", MARK, "--evidence-tests", str(listed), *names]
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True)  # noqa: S603
        if ended.returncode:
            reason = (ended.stdout + ended.stderr).strip().splitlines()[-1:]
            raise TrainingError(
                f"tests of the evidence cannot be collected: {' '.join(reason)}; run: pytest -m {MARK}"
            )
        tests: list[str] = json.loads(listed.read_text(encoding="utf-8"))
    return tests


def pytest_command() -> list[str]:
    """Pytest of this environment, without a cache that processes would share."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def parts_of(tests: Iterable[str], largest: int = LARGEST) -> list[Part]:
    """The tests in parts of one function each, as equal in size as can be."""
    parts = []
    for function, group in groupby(tests, key=lambda test: test.partition("[")[0]):
        of_it = tuple(group)
        n = -(-len(of_it) // largest)
        cuts = [len(of_it) * k // n for k in range(n + 1)]
        stem = re.sub(r"\W+", "-", function.removeprefix("tests/").replace(".py::", "-"))
        for number, (start, stop) in enumerate(pairwise(cuts), start=1):
            parts.append(Part(stem if n == 1 else f"{stem}-{number}", of_it[start:stop]))
    return parts
