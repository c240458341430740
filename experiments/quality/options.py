"""What is asked of a benchmark run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from experiments.quality.item_list import ItemList
from experiments.quality.protocols import Protocol
from experiments.quality.runner import METHODS
from recsys.errors import ConfigError


@dataclass(frozen=True)
class QualityOptions:
    """What is asked of a benchmark run; the command line's options by name.

    silos: a number, or `column:NAME`; items: how many items are kept, None for all; item_list: which
    methods: which methods run; max_silos_per_person: for silos by a column
    own_history: of a customer whom a ranking is for: of all silos, or of the silo alone
    """

    data: Path
    protocol: Protocol
    silos: str
    epsilon: float
    delta: float = 1e-6
    seed: int = 0
    items: int | None = None
    item_list: ItemList = ItemList.BENCHMARK
    cutoff: date | None = None
    config: Path | None = None
    methods: Sequence[str] = METHODS
    max_silos_per_person: int = 1
    own_history: Literal["all", "silo"] = "all"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods) - set(METHODS))
        if unknown:
            raise ConfigError(f"--methods {unknown[0]!r}: unknown; choose from {', '.join(METHODS)}")
        column = self.silos.partition("column:")[2]
        if not column and not (self.silos.isdecimal() and int(self.silos) >= 1):
            raise ConfigError(f"--silos {self.silos!r}: write a number of silos, or column:NAME")
        if self.items is not None and self.items < 100:
            raise ConfigError(
                f"--items {self.items}: keep at least 100 items, since lists of 100 are measured"
            )
        if self.items is None and self.item_list is ItemList.PRIVATE:
            raise ConfigError("--item-list private: say with --items how many items are on the list")

    @property
    def column(self) -> str | None:
        """The column that tells silos apart, if it is one."""
        return self.silos.partition("column:")[2] or None
