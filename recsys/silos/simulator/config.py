"""Everything that defines a simulated retail world. Two equal configurations give the same world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import permutations
from math import ceil, sqrt
from typing import Self

from recsys.errors import ConfigError
from recsys.silos.simulator.follow_ups import PlantedFollowUp
from recsys.silos.simulator.seasons import PlantedSeason
from recsys.words import counted

DAYS_PER_WEEK = 7
MAX_MEMBERSHIPS = 3


class SiloKind(StrEnum):
    """Who keeps the silo: a store group sells many brands, a brand owner only its own."""

    STORE_GROUP = "store group"
    BRAND_OWNER = "brand owner"


@dataclass(frozen=True)
class SiloSpec:
    """One silo of the world; all of it public.

    first_weight: relative chance to be the first silo that a person joins
    later_weight: relative chance to be joined after another one
    visits:       relative number of trips that a member makes here, against the member's other silos
    departments:  where a brand owner's brands are at home
    """

    name: str
    kind: SiloKind
    stores: int
    first_weight: float
    later_weight: float
    visits: float
    departments: tuple[str, ...] = ()


DEFAULT_SILOS = (
    SiloSpec("northmarket", SiloKind.STORE_GROUP, 6, 0.40, 0.24, 1.0),
    SiloSpec("citygrocer", SiloKind.STORE_GROUP, 5, 0.31, 0.22, 1.0),
    SiloSpec("greenbasket", SiloKind.STORE_GROUP, 4, 0.23, 0.20, 1.0),
    SiloSpec(
        "aroma-brands",
        SiloKind.BRAND_OWNER,
        2,
        0.03,
        0.17,
        0.35,
        ("Drinks", "Coffee, tea & sweets", "Pantry", "Frozen"),
    ),
    SiloSpec(
        "carehouse",
        SiloKind.BRAND_OWNER,
        2,
        0.03,
        0.17,
        0.35,
        ("Baby", "Household", "Personal care", "Pets"),
    ),
)

ONE_SILO_EACH = (1.0, 0.0, 0.0)


def store_groups(count: int) -> tuple[SiloSpec, ...]:
    """So many store groups for a world in which each person deals with one of them; from large to small.

    The sizes are public and fall evenly: the last group is half as large as the first.
    """
    shares = [1.0 - 0.5 * number / max(count - 1, 1) for number in range(count)]
    weights = [share / sum(shares) for share in shares]
    return tuple(
        SiloSpec(f"group-{number + 1}", SiloKind.STORE_GROUP, 4, weight, weight, 1.0)
        for number, weight in enumerate(weights)
    )


@dataclass(frozen=True)
class WorldConfig:
    """Size, silos and behaviour of the world. Days are the shops' days; the shops' clocks show UTC.

    `chunk_persons` is part of the world's identity: persons are drawn chunk by chunk, each from seeds
    of its own, so a chunk never depends on the others or on how many there are.
    """

    seed: int = 20_260_628
    persons: int = 40_000
    n_items: int = 2_400
    weeks: int = 26
    last_day: date = date(2026, 6, 28)
    horizon_days: int = 56  # simulated past the last day, for the true next purchase; never written as events
    chunk_persons: int = 4_000
    silos: tuple[SiloSpec, ...] = DEFAULT_SILOS
    max_silos_per_person: int = 2
    memberships: tuple[float, ...] = (0.55, 0.33, 0.12)
    without_key: float = 0.03
    consent_training: float = 0.96
    consent_personalisation: float = 0.97
    store_assortment: float = 0.70
    brand_owner_share: float = 0.20
    # The behaviour below is calibrated on dunnhumby "Let's Get Sort-of-Real" (Gini of popularity, repeat
    # share, personal against global recall: experiments/results/world_realism.md) and was frozen before any
    # model was tuned on the world.
    leader_share: float = 0.34  # of a category's demand that goes to its leading item
    item_spread: float = 0.3  # sd of log attractiveness of items within a category
    brand_spread: float = 0.2  # sd of log strength of brands
    category_sparsity: float = 0.8  # gamma shape of a person's category tastes: small = few categories
    style_strength: float = 1.0  # sd of the log taste that a person's style gives to items
    trips: float = 19.0  # mean trips in the window, before arrivals, departures and the upper bound
    trips_shape: float = 0.6  # gamma shape of trips over persons: small = a few very busy shoppers
    staples: float = 42.0  # staples of a person with the mean number of trips, before duplicates merge
    staples_elasticity: float = 0.4  # how staples grow with trips
    wallet: float = 1.0  # how cycles shrink as trips grow: rare shoppers meet most needs elsewhere
    routine_shape: float = 0.6  # gamma shape of staples over persons: small = some buy few, some many
    cycle_stretch: float = 3.0  # factor on the categories' cycles: persons also shop outside these silos
    top_ups: float = 0.4  # share of trips that are small: few of the due staples are bought
    top_up_forget: float = 0.95  # chance that a due staple is not bought on a small trip
    variety: float = 2.1  # mean lines of a trip that are not staples
    variety_shape: float = 2.5
    habits_forming: float = 0.1  # share of staples taken up during the window
    habits_ending: float = 0.05  # share of staples given up during the window
    forget: float = 0.1  # chance that a due staple is not bought on a trip
    double: float = 0.15  # chance that two units are bought, which then last twice as long
    use_spread: float = 0.4  # sd of the log time that one unit lasts, purchase by purchase
    newcomers: float = 0.12  # share of persons who join during the window
    leavers: float = 0.08  # share of persons who stop during the window
    browsing: float = 0.33  # views and abandoned carts per trip
    feedback: float = 0.025  # ratings and returns per purchase line
    follow_ups: tuple[PlantedFollowUp, ...] = ()  # needs that follow a purchase; none in the frozen world
    seasons: tuple[PlantedSeason, ...] = ()  # categories with seasons; none in the frozen world

    def __post_init__(self) -> None:
        for name, least in (("persons", 1), ("n_items", 200), ("weeks", 2), ("chunk_persons", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"world {name} is {getattr(self, name)}, which is too small; use {least} or more"
                )
        if len(self.memberships) != MAX_MEMBERSHIPS or abs(sum(self.memberships) - 1) > 1e-9:
            raise ConfigError(
                f"world memberships {self.memberships} must be {MAX_MEMBERSHIPS} shares with sum 1"
            )
        joined = max(number for number, share in enumerate(self.memberships, start=1) if share > 0)
        if len(self.silos) < joined:
            raise ConfigError(f"the world has {counted(len(self.silos), 'silo')}; use {joined} or more")

    @classmethod
    def disjoint(cls, silos: int, *, persons: int, n_items: int, seed: int = seed) -> Self:
        """The frozen world with `silos` store groups, each person a customer of one alone.

        What persons like and how they shop is the same; that nobody is in two silos is a public fact.
        """
        return cls(
            seed=seed,
            persons=persons,
            n_items=n_items,
            silos=store_groups(silos),
            max_silos_per_person=1,
            memberships=ONE_SILO_EACH,
        )

    @property
    def are_disjoint(self) -> bool:
        """Whether every person is a customer of one silo alone."""
        return self.memberships == ONE_SILO_EACH

    @property
    def days(self) -> int:
        """Days with written events."""
        return self.weeks * DAYS_PER_WEEK

    @property
    def first_day(self) -> date:
        """The first day of the window."""
        return self.last_day - timedelta(days=self.days - 1)

    @property
    def start(self) -> datetime:
        """The first moment of the window, in UTC."""
        return datetime.combine(self.first_day, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first moment after the window, in UTC."""
        return datetime.combine(self.last_day + timedelta(days=1), time(), UTC)

    @property
    def chunks(self) -> int:
        """Number of chunks of persons."""
        return -(-self.persons // self.chunk_persons)


def registered_customers(config: WorldConfig) -> dict[str, int]:
    """The public enrolment of every silo: what expects by configuration, never a count."""
    expected = dict.fromkeys([spec.name for spec in config.silos], 0.0)
    for order, probability in _enrolments(config.silos):
        for position, spec in enumerate(order):
            expected[spec.name] += probability * sum(config.memberships[position:])
    return {name: _enough(share, config.persons) for name, share in expected.items()}


def _enough(share: float, persons: int) -> int:
    return ceil(share * persons + 4 * sqrt(share * (1 - share) * persons))


def _enrolments(silos: tuple[SiloSpec, ...]) -> Iterator[tuple[tuple[SiloSpec, ...], float]]:
    """Every order of three silos (fewer if there are) with its probability: draws without replacement."""
    for order in permutations(silos, min(MAX_MEMBERSHIPS, len(silos))):
        probability = order[0].first_weight / sum(spec.first_weight for spec in silos)
        left = sum(spec.later_weight for spec in silos) - order[0].later_weight
        for spec in order[1:]:
            probability *= spec.later_weight / left
            left -= spec.later_weight
        yield order, probability
