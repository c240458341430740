"""What the coordinator knows during one attempt at a run: all of it public."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.privacy.plan import PrivacyPlan
from training.checkpoint import RunFolder
from training.config import SiloSettings, TrainingConfig
from training.progress import Progress
from training.strategy import Rounds

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Session:
    """Configuration, plan, run folder and rounds of one attempt.

    settings: what silos are told; seconds: the time of each stage so far
    silo_rule: the federation's public rule about persons and silos, for the privacy statement
    """

    config: TrainingConfig
    settings: SiloSettings
    catalogue: Catalogue
    plan: PrivacyPlan
    folder: RunFolder
    rounds: Rounds
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    silo_rule: str | None = None

    @property
    def attempt(self) -> int:
        """How many times this run was begun or resumed."""
        return int(self.folder.state()["attempts"])

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds inside to the stage's."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Show and time a stage that is done in one piece."""
        self.progress(stage, 0, 1)
        with self.timed(stage):
            yield
        self.progress(stage, 1, 1)

    def once(self, stage: str, make: Callable[[], Arrays]) -> Arrays:
        """The stage's arrays: from the run folder if it was finished before, else made and kept."""
        name = f"{stage}.safetensors"
        with self.stage(stage):
            if not self.folder.has(name):
                self.folder.write_arrays(name, make())
            return self.folder.read_arrays(name)
