"""What one study is: its data, its split, its training; read from TOML and checked by key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys.data.history import Ordering
from recsys.errors import ConfigError
from training.config import TrainingConfig
from training.config_file import parse_config


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldData(_Section):
    """The simulated world: its size, and how many of its last days are held out.

    silos: so many store groups, each person a customer of one alone; None is the world's own five silos, some
    persons in two of them.
    """

    source: Literal["simulated"]
    persons: Annotated[int, Field(ge=1)] = 40_000
    items: Annotated[int, Field(ge=200)] = 2_400
    silos: Annotated[int, Field(ge=1, le=50)] | None = None
    held_out_days: Annotated[int, Field(ge=1)] = 14


class FileData(_Section):
    """A Parquet file of purchases, dealt to silos by a hash of the customer id: a public rule.

    registered_customers is a public constant for each silo, not a count of the file.
    """

    source: Literal["file"]
    file: Path
    ordering: Literal[Ordering.ORDER_NUMBER, Ordering.TIMESTAMP]
    silos: Annotated[int, Field(ge=1)] = 4
    registered_customers: Annotated[int, Field(ge=1)]
    max_silos_per_person: Annotated[int, Field(ge=1)] | None = None
    min_baskets: Annotated[int, Field(ge=2)] = 3


class StudySpec(_Section):
    """A study: data, training, and what to measure.

    sample: at most so many evaluated customers per silo, chosen by seed; None evaluates all.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    data: Annotated[WorldData | FileData, Field(discriminator="source")]
    training: dict[str, Any] = Field(default_factory=dict)
    sample: Annotated[int, Field(ge=1)] | None = None

    def training_config(self, **run: Any) -> TrainingConfig:
        """The study's training configuration with this run's paths and seed."""
        return parse_config({**self.training, **run}, source=f"study '{self.name}', section 'training'")


def load_spec(path: Path) -> StudySpec:
    """Read a study. Raises ConfigError naming the file, the key and the value."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such study; give one of experiments/configs/*.toml") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not readable as TOML ({error}); correct the file") from None
    try:
        return StudySpec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(whole file)"
        raise ConfigError(f"{path}: key '{key}', value {first['input']!r}: {first['msg']}") from None
