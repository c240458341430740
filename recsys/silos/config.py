"""`silo.toml` and `federation.toml`: what an operator declares, apart from any data."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.privacy.ledger_schema import PURPOSE_PATTERN
from recsys.silos.base import Silo
from recsys.silos.event_store import OnlineEventStore
from recsys.silos.files import FileSilo, read_catalogue
from recsys.silos.online import with_online
from recsys.silos.toml import FilePath, LedgerPlace, load_model
from recsys.words import counted

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"


def _short_code(value: str) -> str:
    if not re.match(PURPOSE_PATTERN, value):
        raise ValueError("a purpose is a short code such as training, evaluation or audit")
    return value


Epsilon = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Purpose = Annotated[str, AfterValidator(_short_code)]


class SiloConfig(BaseModel):
    """One silo, as its operator declares it.

    registered_customers: a public constant that the operator declares; divisors come from it. It is never
    counted from data, because an exact count would tell whether one customer is there.
    epsilon_cap, delta: the silo's own privacy cap; delta must be below 1 / registered_customers.
    ordering: what interactions are ordered by; found from the columns present when left out.
    ledger: the privacy ledger, a file or a `postgresql://user@host/database?schema=NAME` URL
    purpose_caps: a cap of its own for what is spent on a purpose (training, evaluation, audit), at `delta`
    retention: how long what was released may be kept, in the operator's words; each charge records it
    life_events, life_plan: dates that customers gave, and the public plan of what follows (see `silos.life`)
    followups_exclude: categories (health, say) whose follow-up needs are neither learned from this silo nor
        told to its customers
    data_until: up to when the tables go, a public moment; where it is past, a demo's clock is set to it
    approval_above: plans whose epsilon is above it need a second person's approval; 0 is every plan
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: str = Field(pattern=NAME_PATTERN)
    registered_customers: int = Field(ge=1, strict=True)
    epsilon_cap: Epsilon
    delta: float = Field(gt=0, lt=1, strict=True)
    folder: FilePath = Path()
    timezone: str = "UTC"
    ordering: Ordering | None = None
    online: FilePath | None = None
    life_events: FilePath | None = None
    life_plan: FilePath | None = None
    followups_exclude: tuple[str, ...] = ()
    ledger: LedgerPlace = Path("ledger.sqlite")
    purpose_caps: dict[Purpose, Epsilon] = Field(default_factory=dict)
    retention: str | None = None
    data_until: AwareDatetime | None = None
    approval_above: float | None = Field(default=None, ge=0, strict=True, allow_inf_nan=False)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("unknown time zone; use an IANA name such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _delta_below_one_customer(self) -> SiloConfig:
        if self.delta * self.registered_customers >= 1:
            raise ValueError(
                f"delta = {self.delta:g} is not below 1 / registered_customers = "
                f"{1 / self.registered_customers:g}; lower delta"
            )
        return self

    @classmethod
    def load(cls, path: Path | str) -> SiloConfig:
        """Read a `silo.toml`; ConfigError names the file, the key and the value."""
        return load_model(Path(path), cls)

    @property
    def snapshot_key(self) -> Path:
        """Where the key of the data's HMAC is: beside the ledger's file, or in the silo's folder."""
        if isinstance(self.ledger, Path):
            return self.ledger.with_name(f"{self.ledger.name}.key")
        return self.folder / "ledger.key"

    @property
    def ledger_witness(self) -> Path | None:
        """Where a ledger on a server keeps its heads in the silo; None beside the ledger's own file."""
        return None if isinstance(self.ledger, Path) else self.folder / "ledger.heads"

    @property
    def step_log(self) -> Path:
        """Where the steps drawn of each reservation are kept: beside the ledger's file, or in the folder."""
        if isinstance(self.ledger, Path):
            return self.ledger.with_name(f"{self.ledger.name}.steps")
        return self.folder / "ledger.steps"

    def base_silo(self, now: datetime | None = None) -> FileSilo:
        """The silo's own tables; `now` (aware) is what counts as the future, the clock when left out."""
        return FileSilo(
            self.name, self.folder, timezone=self.timezone, declared_ordering=self.ordering, now=now
        )

    def training_silo(self, now: datetime | None = None) -> Silo:
        """The silo's tables together with what serving has collected since, if it keeps an online store."""
        base = self.base_silo(now)
        if self.online is None or not self.online.exists():
            return base
        return with_online(base, OnlineEventStore(self.online))


class FederationConfig(BaseModel):
    """The silos that train together, and what they share in public.

    catalogue: the public items table; max_silos_per_person: in how many silos one person's records may be
    used (all of them when left out); silo_rule: the public rule, if there is one, by which nobody is in more
    silos than that (the privacy statement quotes it); world: a public description, for reports.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalogue: FilePath
    silos: tuple[FilePath, ...] = Field(min_length=1)
    max_silos_per_person: int = Field(ge=1, strict=True)
    silo_rule: str | None = Field(default=None, min_length=1)
    world: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _all_silos_by_default(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("silos"), list | tuple):
            return {"max_silos_per_person": len(data["silos"])} | data
        return data

    @model_validator(mode="after")
    def _bound_within_silos(self) -> FederationConfig:
        if self.max_silos_per_person > len(self.silos):
            raise ValueError(
                f"max_silos_per_person = {self.max_silos_per_person} is more than the "
                f"{counted(len(self.silos), 'silo')}; lower it"
            )
        return self

    @classmethod
    def load(cls, path: Path | str) -> FederationConfig:
        """Read a `federation.toml`; ConfigError names the file, the key and the value."""
        return load_model(Path(path), cls)

    def silo_configs(self) -> tuple[SiloConfig, ...]:
        """Every silo's configuration in order; ConfigError if two silos have one name."""
        configs = tuple(SiloConfig.load(path) for path in self.silos)
        seen: dict[str, Path] = {}
        for path, config in zip(self.silos, configs, strict=True):
            if config.name in seen:
                raise ConfigError(
                    f"{path}: key 'name', value {config.name!r}: also the name of {seen[config.name]}; "
                    "rename one"
                )
            seen[config.name] = path
        return configs

    def read_catalogue(self) -> Catalogue:
        """The public catalogue, checked."""
        return read_catalogue(self.catalogue)
