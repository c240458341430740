"""How a training run is configured: the sections and keys of `train.toml`; defaults suit the demo."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

POPULARITY, COPURCHASE, INTERVALS, TOWERS = "popularity", "copurchase", "intervals", "towers"
RHYTHM, SEASON, METRICS = "rhythm", "season", "metrics"
FOLLOWUPS, DEMAND = "followups", "demand"
MECHANISMS = (POPULARITY, COPURCHASE, INTERVALS, RHYTHM, SEASON, FOLLOWUPS, DEMAND, TOWERS, METRICS)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Units = Annotated[float, Field(ge=1e-6, le=1e9)]


def _whoami() -> str:
    """The person at this account: a policy of approval asks for a second one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return f"user {os.getuid()}"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shares(_Section):
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


class PrivacySettings(_Section):
    """The promise: person-level (epsilon, delta) of the whole run, over all silos and mechanisms."""

    epsilon: Annotated[float, Field(gt=0, le=64)] = 4.0
    delta: Annotated[float, Field(gt=0, lt=1e-3)] = 1e-6
    shares: Shares = DEFAULT_SHARES


class PopularitySettings(_Section):
    """Noised item popularity: how many distinct items of one customer count, and how much each of them.

    decay: weight kept per basket since; basket_power: how much less the items of a large basket weigh
    head_items: above 0, what there is to spend goes to two sums, half each: all items, and then once more so
        many of the most popular alone (see `recsys.models.popularity_head`)
    """

    max_items: Annotated[int, Field(ge=1)] = 100
    decay: Fraction = 1.0
    basket_power: Annotated[float, Field(ge=0, le=4)] = 0.0
    head_items: Annotated[int, Field(ge=0)] = 0

    @property
    def rounds(self) -> int:
        """How many noised sums there are."""
        return 2 if self.head_items else 1


class CopurchaseSettings(_Section):
    """Noised co-purchase sums over the most popular items, and what is made of them.

    form: "lifts" adds to log popularity what a customer's items say beyond it; "regression" predicts what is
    missing from a set, and wants a large fusion weight (see `recsys.models.affinity.denoise`)
    """

    top_items: Annotated[int, Field(ge=2, le=20_000)] = 2000
    full_rank: Annotated[int, Field(ge=1)] = 500
    max_items: Annotated[int, Field(ge=2)] = 100
    max_pairs: Annotated[int, Field(ge=1, le=50_000_000)] = 2_000_000
    form: Literal["lifts", "regression"] = "lifts"
    rank: Annotated[int, Field(ge=1, le=1024)] = 256
    neighbours: Annotated[int, Field(ge=1, le=500)] = 50


class TowerModel(_Section):
    """The two-tower model, and how one customer becomes one example: what silos are told of the towers."""

    embedding_dim: Annotated[int, Field(ge=2, le=512)] = 16
    item_scale: NonNegative = 0.2
    feature_scale: NonNegative = 1.0
    popularity_power: NonNegative = 0.0
    full_rank: Annotated[int, Field(ge=1)] = 300
    init_scale: Positive = 0.1
    init_shared: Annotated[float, Field(ge=0, le=1)] = 0.0
    gradient_shared: NonNegative = 0.0
    negatives: Annotated[int, Field(ge=1, le=65_536)] = 500


class TowerSettings(TowerModel):
    """The towers' differentially private steps; silos take these numbers from the privacy plan alone."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = 60
    sampling_rate: Fraction = 0.1
    clip_norm: Positive = 0.3
    learning_rate: Positive = 0.03


class RhythmSettings(_Section):
    """Learning when customers buy again (see `recsys.models.rhythm`).

    rounds: how many noised gradients
    as_of: up to when the silos' data are complete, a public moment, and `until` if that is given; without
        either nothing is known of what was not bought, and this part of the run is left out
    """

    rounds: Annotated[int, Field(ge=1, le=1000)] = 12
    as_of: AwareDatetime | None = None


class SeasonSettings(_Section):
    """Learning in which months categories are bought (see `recsys.models.season`); without `until` and
    `rhythm.as_of` nobody knows up to when the data are complete, and this part of the run is left out.

    years: how many whole years before that moment count; customers count who were there before the first of
        them, so data have to go back further. From 2 on, growth and the shop's own season are told apart.
    full_days: how much of a customer counts in full
    """

    years: Annotated[int, Field(ge=1, le=5)] = 1
    full_days: Annotated[float, Field(gt=0, le=1e6)] = 36.0


class FollowupSettings(_Section):
    """Learning what is needed some time after a purchase (see `recsys.models.followups`).

    max_pairs: at most so many ordered pairs of categories, the most popular ones; exclude: categories that
        are never looked at (health, say)
    full_cells: how much of a customer counts in full
    false_rate: expected share of false rules; least_chance: rules below are not published
    """

    max_pairs: Annotated[int, Field(ge=2, le=1_000_000)] = 10_000
    exclude: tuple[str, ...] = ()
    full_cells: Annotated[float, Field(gt=0, le=1e6)] = 4.0
    false_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    least_chance: Fraction = 0.02


class DemandSettings(_Section):
    """Foreseeing sales by item and store area (see `recsys.models.demand.Bounds`); without `until` and
    `rhythm.as_of` nobody knows up to when the data are complete, and this part of the run is left out.
    """

    weeks: Annotated[int, Field(ge=8, le=520)] = 26
    recent_weeks: Annotated[int, Field(ge=1, le=104)] = 8
    max_areas: Annotated[int, Field(ge=0, le=1000)] = 8
    max_units: Units = 50.0
    items: Units = 30.0
    groups: Units = 60.0
    areas: Units = 80.0
    level: Units = 120.0
    spread: Units = 100.0
    rareness: Annotated[float, Field(ge=0, le=1)] = 1.0 / 3.0

    @model_validator(mode="after")
    def _recent_within(self) -> Self:
        if self.recent_weeks > self.weeks:
            raise ValueError("recent_weeks is more than weeks; lower it")
        return self


class SequenceSettings(_Section):
    """What of a customer's history the model reads: the same in training and in serving.

    ordered: False reads histories as sets; the coordinator sees to it where a silo's data have no order.
    """

    max_items: Annotated[int, Field(ge=1, le=1000)] = 100
    decay: Fraction = 0.97
    ordered: bool = True


class ProfileSettings(_Section):
    """Tastes read off public features, without training (see `recsys.features.profile.ProfileConfig`)."""

    category_weight: NonNegative = 1.0
    category_prior: Positive = 1.0
    brand_weight: NonNegative = 1.2
    brand_prior: Positive = 4.0
    tier_weight: NonNegative = 1.0
    tier_prior: Positive = 4.0
    max_columns: Annotated[int, Field(ge=3, le=4096)] = 384
    department_weight: NonNegative = 0.0
    department_prior: Positive = 2.0


class FusionSettings(_Section):
    """Public weights of the blocks of an item's published vector; 0 leaves a block out.

    title_columns: how many columns stand for what items' titles have in common
    title_numbers: how much neighbouring numbers in item ids count beside words; 0 for ids that mean nothing
    """

    towers: NonNegative = 0.5
    copurchase: NonNegative = 0.4
    titles: NonNegative = 0.0
    title_columns: Annotated[int, Field(ge=1, le=1024)] = 256
    title_numbers: NonNegative = 0.0


class BlendSettings(_Section):
    """How serving blends a customer's own repeat purchases with what the model says.

    activity: the power of the customer's number of baskets that the model's weight grows with
    own_appeal: the power of what the model says that own purchases are multiplied with
    own_similarity: how much of an item's likeness to the history counts where the item is in it
    """

    weight: NonNegative = 0.5
    activity: Annotated[float, Field(ge=0, le=2)] = 0.0
    cap: Annotated[float, Field(le=50, allow_inf_nan=False)] = 1.0
    own_decay: Fraction = 0.97
    own_appeal: Annotated[float, Field(ge=0, le=1)] = 0.0
    own_similarity: Annotated[float, Field(ge=0, le=1)] = 1.0


class SiloSettings(_Section):
    """What silos are told besides the privacy plan: public, and the same for every silo."""

    seed: int
    until: AwareDatetime | None
    known_until: AwareDatetime | None
    held_out: bool
    max_events_per_customer: int
    popularity: PopularitySettings
    copurchase: CopurchaseSettings
    season: SeasonSettings
    followups: FollowupSettings
    demand: DemandSettings
    towers: TowerModel
    sequences: SequenceSettings
    profile: ProfileSettings


class TrainingConfig(_Section):
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
    max_events_per_customer: Annotated[int, Field(ge=1)] = 2000
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
