"""How a training run is configured: the sections and keys of `train.toml`; defaults suit the demo."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from training.sections import (
    BlendSettings,
    CopurchaseSettings,
    Count,
    DemandSettings,
    FollowupSettings,
    FusionSettings,
    PopularitySettings,
    Positive,
    ProfileSettings,
    RhythmSettings,
    SeasonSettings,
    Section,
    SequenceSettings,
    TowerModel,
    TowerSettings,
)

POPULARITY, COPURCHASE, INTERVALS, TOWERS = "popularity", "copurchase", "intervals", "towers"
RHYTHM, SEASON, METRICS = "rhythm", "season", "metrics"
FOLLOWUPS, DEMAND = "followups", "demand"
MECHANISMS = (POPULARITY, COPURCHASE, INTERVALS, RHYTHM, SEASON, FOLLOWUPS, DEMAND, TOWERS, METRICS)
TIMED = (INTERVALS, RHYTHM, SEASON, FOLLOWUPS, DEMAND, METRICS)
"""The mechanisms that need timestamps: silos without them refuse before anything is charged."""


def _whoami() -> str:
    """The person at this account: a policy of approval asks for a second one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return f"user {os.getuid()}"


class Shares(Section):
    """How the run's budget is divided: shares of mu squared (Dong, Roth and Su 2022), which add up to 1.

    A share of 0 leaves the mechanism out of the run and out of the plan. A configuration that says nothing
    of shares gets `DEFAULT_SHARES`.
    """

    popularity: Annotated[float, Field(gt=0, le=1)] = 0.1
    copurchase: Annotated[float, Field(ge=0, le=1)] = 0.35
    intervals: Annotated[float, Field(ge=0, le=1)] = 0.05
    rhythm: Annotated[float, Field(ge=0, le=1)] = 0.0
    season: Annotated[float, Field(ge=0, le=1)] = 0.0
    followups: Annotated[float, Field(ge=0, le=1)] = 0.0
    demand: Annotated[float, Field(ge=0, le=1)] = 0.0
    towers: Annotated[float, Field(ge=0, le=1)] = 0.5
    metrics: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = sum(self.as_dict().values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}; make them add up to 1")
        if self.season > 0 and self.rhythm == 0:
            raise ValueError("a share for season needs one for rhythm: seasons move what rhythm learns")
        return self

    def as_dict(self) -> dict[str, float]:
        """Share by mechanism, without the mechanisms that are left out."""
        return {name: getattr(self, name) for name in MECHANISMS if getattr(self, name) > 0}

    def without(self, *names: str) -> Shares:
        """The same division with some mechanisms left out and the others scaled up to 1."""
        kept = {key: value for key, value in self.as_dict().items() if key not in names}
        total = sum(kept.values())
        return Shares(
            **(dict.fromkeys(MECHANISMS, 0.0) | {key: value / total for key, value in kept.items()})
        )


DEFAULT_SHARES = Shares(popularity=0.1, copurchase=0.35, intervals=0.03, rhythm=0.02, towers=0.5)


class PrivacySettings(Section):
    """The promise: person-level (epsilon, delta) of the whole run, over all silos and mechanisms."""

    epsilon: Annotated[float, Field(gt=0, le=64)] = 4.0
    delta: Annotated[float, Field(gt=0, lt=1e-3)] = 1e-6
    shares: Shares = DEFAULT_SHARES


class SiloSettings(Section):
    """What silos are told besides the privacy plan: public, and the same for every silo."""

    seed: int
    until: AwareDatetime | None
    known_until: AwareDatetime | None
    held_out: bool
    max_events_per_customer: Count
    popularity: PopularitySettings
    copurchase: CopurchaseSettings
    season: SeasonSettings
    followups: FollowupSettings
    demand: DemandSettings
    towers: TowerModel
    sequences: SequenceSettings
    profile: ProfileSettings


class TrainingConfig(Section):
    """Everything that one training run is told. Relative paths are relative to the working directory.

    requester: who asks the silos to spend, a person; recorded with every charge
    until: read only events before this moment (a public constant, so that what comes later can be held out)
    new_items: ids of items that could not be bought before, by public plans; they are expected to sell like
        the other items of their category
    """

    federation: Path = Path("federation.toml")
    output: Path = Path(".thousandfaces")
    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "thousandfaces"
    data_kind: Literal["simulated", "research", "production"] | None = None
    research_data: bool = False
    requester: Annotated[str, Field(min_length=1)] = Field(default_factory=_whoami)
    approver: str | None = None
    seed: int = 0
    until: AwareDatetime | None = None
    new_items: tuple[str, ...] = ()
    quorum: Annotated[int, Field(ge=1)] | None = None
    deadline_seconds: Positive = 300.0
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    tracking_uri: str | None = None
    max_events_per_customer: Count = 2000
    privacy: PrivacySettings = PrivacySettings()
    popularity: PopularitySettings = PopularitySettings()
    copurchase: CopurchaseSettings = CopurchaseSettings()
    towers: TowerSettings = TowerSettings()
    rhythm: RhythmSettings = RhythmSettings()
    season: SeasonSettings = SeasonSettings()
    followups: FollowupSettings = FollowupSettings()
    demand: DemandSettings = DemandSettings()
    sequences: SequenceSettings = SequenceSettings()
    profile: ProfileSettings = ProfileSettings()
    fusion: FusionSettings = FusionSettings()
    blend: BlendSettings = BlendSettings()

    @model_validator(mode="after")
    def _held_out_is_later(self) -> Self:
        if self.held_out and self.until is None:
            raise ValueError("a share for metrics needs 'until': what comes later is what is measured")
        return self

    @property
    def held_out(self) -> bool:
        """Whether what comes after `until` is used to measure the model (noised and charged)."""
        return self.privacy.shares.metrics > 0

    @property
    def known_until(self) -> AwareDatetime | None:
        """Up to when the data that are trained on are complete, where that is known."""
        moments = [moment for moment in (self.until, self.rhythm.as_of) if moment is not None]
        return min(moments) if moments else None

    def silo_settings(self, *, ordered: bool) -> SiloSettings:
        """The part that travels to the silos; `ordered` says whether all of their data have an order."""
        towers = TowerModel(**self.towers.model_dump(include=set(TowerModel.model_fields)))
        unordered = SequenceSettings(max_items=self.sequences.max_items, decay=1.0, ordered=False)
        sequences = self.sequences if ordered else unordered
        shared = {name: getattr(self, name) for name in SiloSettings.model_fields}
        return SiloSettings(**shared | {"towers": towers, "sequences": sequences})

    def identity(self) -> str:
        """A hash of all that shapes the result: two runs with the same one may continue each other."""
        # Where a run writes, how long it waits and how many threads it uses do not change what it computes.
        elsewhere = {"output", "tracking_uri", "threads", "deadline_seconds", "requester", "approver"}
        content = self.model_dump(mode="json", exclude=elsewhere)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
