"""The sections of `train.toml` that say what each part of a run does; defaults suit the demo."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from recsys.models.weighing import Weighing

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Units = Annotated[float, Field(ge=1e-6, le=1e9)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
MOST_ITEMS, MOST_PAIRED = 10_000, 1000
"""Most distinct items of one customer in a sum, and in a sum of pairs, whose memory grows with the square."""


class Section(BaseModel):
    """Frozen, and with no key that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WeighingSettings(Section):
    """How much each of a customer's items weighs in a sum (see `recsys.models.weighing.Weighing`).

    decay: weight kept per basket since; basket_power: how much less the items of a large basket weigh;
    first_purchase: what the first purchase of an item weighs more; half_life: days in which weights halve
    """

    decay: Fraction = 1.0
    basket_power: Annotated[float, Field(ge=0, le=4)] = 0.0
    first_purchase: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    half_life: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None

    @property
    def weighing(self) -> Weighing:
        """The same for the model."""
        return Weighing(self.decay, self.basket_power, self.first_purchase, self.half_life)


class HeadSettings(WeighingSettings):
    """The second sum of popularity: how many of the most popular items, and how purchases of them weigh."""

    items: Annotated[int, Field(ge=1, le=10_000_000)]


class PopularitySettings(WeighingSettings):
    """Noised item popularity: how many distinct items of one customer count, and how much each of them.

    head: if given, what there is to spend goes to two sums, half each: all items, and then once more the most
        popular alone (see `recsys.models.popularity_head`)
    """

    max_items: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 100
    head: HeadSettings | None = None

    @property
    def rounds(self) -> int:
        """How many noised sums there are."""
        return 2 if self.head else 1


class CopurchaseSettings(Section):
    """Noised co-purchase sums over the most popular items, and what is made of them.

    form: "lifts" adds to log popularity what a customer's items say beyond it; "regression" predicts what is
    missing from a set, and wants a large fusion weight (see `recsys.models.affinity.denoise`)
    """

    top_items: Annotated[int, Field(ge=2, le=20_000)] = 2000
    full_rank: Count = 500
    max_items: Annotated[int, Field(ge=2, le=MOST_PAIRED)] = 100
    max_pairs: Annotated[int, Field(ge=1, le=50_000_000)] = 2_000_000
    form: Literal["lifts", "regression"] = "lifts"
    rank: Annotated[int, Field(ge=1, le=1024)] = 256
    neighbours: Annotated[int, Field(ge=1, le=500)] = 50


class TowerModel(Section):
    """The two-tower model, and how one customer becomes one example: what silos are told of the towers."""

    embedding_dim: Annotated[int, Field(ge=2, le=512)] = 16
    item_scale: NonNegative = 0.2
    feature_scale: NonNegative = 1.0
    popularity_power: NonNegative = 0.0
    full_rank: Count = 300
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


class RhythmSettings(Section):
    """Learning when customers buy again (see `recsys.models.rhythm`).

    rounds: how many noised gradients
    as_of: up to when the silos' data are complete, a public moment, and `until` if that is given; without
        either nothing is known of what was not bought, and this part of the run is left out
    """

    rounds: Annotated[int, Field(ge=1, le=1000)] = 12
    as_of: AwareDatetime | None = None


class SeasonSettings(Section):
    """Learning in which months categories are bought (see `recsys.models.season`); without `until` and
    `rhythm.as_of` nobody knows up to when the data are complete, and this part of the run is left out.

    years: how many whole years before that moment count; customers count who were there before the first of
        them, so data have to go back further. From 2 on, growth and the shop's own season are told apart.
    full_days: how much of a customer counts in full
    """

    years: Annotated[int, Field(ge=1, le=5)] = 1
    full_days: Annotated[float, Field(gt=0, le=1e6)] = 36.0


class FollowupSettings(Section):
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


class DemandSettings(Section):
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


class SequenceSettings(Section):
    """What of a customer's history the model reads: the same in training and in serving.

    ordered: False reads histories as sets; the coordinator sees to it where a silo's data have no order.
    """

    max_items: Annotated[int, Field(ge=1, le=1000)] = 100
    decay: Fraction = 0.97
    ordered: bool = True


class ProfileSettings(Section):
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


class FusionSettings(Section):
    """Public weights of the blocks of an item's published vector; 0 leaves a block out.

    title_columns: how many columns stand for what items' titles have in common
    title_numbers: how much neighbouring numbers in item ids count beside words; 0 for ids that mean nothing
    """

    towers: NonNegative = 0.5
    copurchase: NonNegative = 0.4
    titles: NonNegative = 0.0
    title_columns: Annotated[int, Field(ge=1, le=1024)] = 256
    title_numbers: NonNegative = 0.0


class BlendSettings(Section):
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
