"""A sweep's trials: every cell of its grid with every seed, each with a key made of all that shapes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.quality.private import Settings, merged
from experiments.sweeps.spec import CellSpec, FolderData, SweepSpec, Value
from recsys.errors import ConfigError
from recsys.seeds import derive_seed
from recsys.silos.toml import load_model
from training.config import TrainingConfig
from training.config_file import parse_config

AXES = {"epsilon": "training.privacy.epsilon", "silos": "data.silos", "customers": "data.persons"}
"""Short names of the usual axes; any other is `data.KEY`, or the dotted key of a training setting."""

ELSEWHERE = {"federation", "output", "tracking_uri", "threads", "deadline_seconds", "requester", "approver"}
FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One cell with one seed; `key` names its record and changes with anything that shapes the result.

    number: which of the cell's trials; seed: derived by that number, the same in every cell, so that cells
    are compared on equal worlds; config: the cell's training without a run's paths; methods: what is measured
    """

    cell: Mapping[str, Value]
    spec: CellSpec
    config: TrainingConfig
    methods: tuple[str, ...]
    number: int
    seed: int
    key: str

    @property
    def label(self) -> str:
        """For people: the cell and the trial's number."""
        return ", ".join([*(f"{axis} {value}" for axis, value in self.cell.items()), f"trial {self.number}"])


def load_sweep(path: Path) -> SweepSpec:
    """Read a sweep. Raises ConfigError naming the file, the key and the value, for every cell of the grid."""
    spec = load_model(path, SweepSpec)
    trials(spec, source=str(path))
    return spec


def trials(spec: SweepSpec, *, source: str, place: str = "") -> tuple[Trial, ...]:
    """All trials, one of every cell before a second of any.

    place: where files of data are; part of what a trial is. Raises ConfigError naming the source, the key and
    the value of a cell that cannot be.
    """
    cells = [(cell, *_resolved(spec, cell, source)) for cell in _cells(spec)]
    return tuple(
        _trial(spec, number, cell, resolved, config, place)
        for number in range(spec.seeds)
        for cell, resolved, config in cells
    )


def _cells(spec: SweepSpec) -> list[dict[str, Value]]:
    return [dict(zip(spec.grid, values, strict=True)) for values in product(*spec.grid.values())]


def _resolved(spec: SweepSpec, cell: Mapping[str, Value], source: str) -> tuple[CellSpec, TrainingConfig]:
    content = spec.model_dump(mode="json", include=set(CellSpec.model_fields))
    for axis, value in cell.items():
        _put(content, _path(axis), value)
    try:
        resolved = CellSpec.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        last = str(first["loc"][-1])
        axes = [f"grid.{axis}" for axis in cell if _path(axis).endswith(f".{last}")]
        key = [*axes, ".".join(map(str, first["loc"]))][0]
        raise ConfigError(
            f"{source}: key '{key}', value {first['input']!r}: {first['msg']} "
            f"(data of source '{spec.data.source}'); correct it"
        ) from None
    words = " and ".join(f"{axis} = {value!r}" for axis, value in cell.items())
    where = f"{source}: section 'training'{f' with grid {words}' if cell else ''}"
    return resolved, parse_config(_training(resolved), source=where)


def _training(spec: CellSpec) -> Mapping[str, Any]:
    """The training settings; those of a research folder stand over the preset of its protocol."""
    if not isinstance(spec.data, FolderData):
        return spec.training
    return merged(Settings.of(spec.data.protocol, None).values, spec.training)


def _path(axis: str) -> str:
    return AXES.get(axis, axis if axis.startswith("data.") else f"training.{axis}")


def _put(content: dict[str, Any], path: str, value: Value) -> None:
    *sections, last = path.split(".")
    for section in sections:
        if not isinstance(content.get(section), dict):
            content[section] = {}
        content = content[section]
    content[last] = value


def _trial(
    spec: SweepSpec,
    number: int,
    cell: Mapping[str, Value],
    resolved: CellSpec,
    config: TrainingConfig,
    place: str,
) -> Trial:
    seed = derive_seed(spec.seed, "trial", number)
    shapes = {
        "format": FORMAT,
        "data": resolved.data.model_dump(mode="json"),
        "place": "" if resolved.data.source == "simulated" else place,
        "training": config.model_dump(mode="json", exclude=ELSEWHERE | {"seed"}),
        "sample": resolved.sample,
        "methods": sorted(spec.compared),
        "seed": seed,
    }
    key = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:20]
    return Trial(cell, resolved, config, spec.compared, number, seed, key)
