"""What is asked of a replenishment benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from experiments.replenishment.methods import METHODS
from recsys.errors import ConfigError


@dataclass(frozen=True)
class ReplenishmentOptions:
    """The command line's options by name.

    cutoff: None for the public rule of `experiments.replenishment.protocol`; config: over the preset
    """

    data: Path
    silos: int
    epsilon: float
    delta: float = 1e-6
    cutoff: date | None = None
    config: Path | None = None
    methods: Sequence[str] = METHODS

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods) - set(METHODS))
        if unknown:
            raise ConfigError(f"--methods {unknown[0]!r}: unknown; choose from {', '.join(METHODS)}")
        if self.silos < 1:
            raise ConfigError(f"--silos {self.silos}: write a number of silos from 1 on")
