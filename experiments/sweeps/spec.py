"""What one sweep is: a study, the grid to vary it over, seeds and methods; read from TOML, checked by key."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from experiments.quality.protocols import Protocol
from experiments.spec import FileData, WorldData
from experiments.sweeps.methods import BY_SOURCE, METHODS, METRICS, PRIVATE
from recsys.silos.toml import FilePath

GIVEN = ("seed", "federation", "output", "tracking_uri")

Value = bool | int | float | str


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SiloData(_Section):
    """Real silos: each trial is a training run, charged in their ledgers; figures are noised and charged."""

    source: Literal["silos"]
    federation: FilePath


class FolderData(_Section):
    """A research set in a folder, split by a protocol: what `thousandfaces bench quality` measures.

    silos: a number (customers are dealt by a hash of their id) or `column:NAME`; items: how many of the most
    bought items are kept; cutoff: of the temporal protocol
    """

    source: Literal["folder"]
    protocol: Protocol
    silos: Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^column:.+$")] = 4
    items: Annotated[int, Field(ge=100)] | None = None
    cutoff: date | None = None
    max_silos_per_person: Annotated[int, Field(ge=1)] = 1


Data = Annotated[WorldData | FileData | FolderData | SiloData, Field(discriminator="source")]


class CellSpec(_Section):
    """One cell of the grid: what a study is, over any kind of data.

    sample: at most so many evaluated customers per silo, chosen by seed; None evaluates all
    """

    data: Data = WorldData(source="simulated")
    training: dict[str, Any] = Field(default_factory=dict)
    sample: Annotated[int, Field(ge=1)] | None = None


class SweepSpec(CellSpec):
    """A sweep: a study, and what of it is varied.

    grid: values by key; each key is an axis (see `experiments.sweeps.grid.AXES`); none is a single cell
    seed, seeds: trial n of every cell has the seed that is derived from `seed` by the key n
    methods, metrics: what is compared, by the names in `experiments.sweeps.methods`; `private` is always
    there, and all methods that the data allow if none are named
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    grid: dict[str, Annotated[list[Value], Field(min_length=1)]] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0)] = 0
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    methods: tuple[str, ...] = ()
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = METRICS[:3]

    @field_validator("methods", "metrics")
    @classmethod
    def _known(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = METHODS if info.field_name == "methods" else METRICS
        for value in values:
            if value not in known:
                raise ValueError(f"'{value}' is unknown; use some of {', '.join(known)}")
        return tuple(dict.fromkeys(values))

    @field_validator("grid")
    @classmethod
    def _no_value_twice(cls, grid: dict[str, list[Value]]) -> dict[str, list[Value]]:
        for key, values in grid.items():
            if len({json.dumps(value) for value in values}) < len(values):
                raise ValueError(f"axis '{key}' has a value twice; name each once")
        return grid

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        possible = BY_SOURCE[self.data.source]
        for method in self.methods:
            if method not in possible:
                raise ValueError(
                    f"method '{method}' is not measured on data of source '{self.data.source}'; "
                    f"use some of {', '.join(possible)}"
                )
        return self

    @model_validator(mode="after")
    def _what_the_sweep_gives(self) -> Self:
        for key in GIVEN:
            if key in self.training or key in self.grid:
                raise ValueError(f"the sweep itself gives '{key}' to each trial; remove it")
        return self

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are compared, the private one first."""
        return tuple(dict.fromkeys((PRIVATE, *(self.methods or BY_SOURCE[self.data.source]))))
