"""Builds that are broken for certain customers and silos only: small ones, last ones, odd ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.data.consent import consented_for_training
from recsys.data.contracts import Table
from recsys.data.history import EventType, Histories, Ordering
from recsys.errors import ConfigError
from recsys.models import copurchase, demand, popularity, season
from recsys.privacy.mechanisms import noised_sum
from recsys.silos.files import FileSilo
from training import client_app, evaluation, exact, loading, local
from training.audit.mutants.registry import Replacement, mutants_of
from training.scopes import demand_scope

Sum = NDArray[np.float64]


def who_dismisses_counts_three_times() -> Iterator[Replacement]:
    """A customer who says no to an item is surer of the others, whose weight is raised after scaling."""
    real = popularity.contribution

    def contribution(h: Histories, *args: Any) -> Sum:
        surer = np.unique(h.rows[h.events == EventType.DISMISS.code])
        return np.asarray(real(h, *args) + 2 * real(h.select(surer), *args))

    yield popularity, "contribution", contribution


def one_pair_counts_three_times() -> Iterator[Replacement]:
    """Customers of two purchases have no pairs to spare, so that theirs counts for more."""
    real = copurchase.contribution

    def contribution(h: Histories, *args: Any) -> Sum:
        few = np.flatnonzero(np.diff(h.purchases().offsets) == 2)
        return np.asarray(real(h, *args) + 2 * real(h.select(few), *args))

    yield copurchase, "contribution", contribution


def pairs_of_a_skewed_popularity_count_twice() -> Iterator[Replacement]:
    """The bound on pairs was derived for items that are equally popular."""
    real = copurchase.contribution

    def contribution(h: Histories, scope: Any, max_items: int) -> Sum:
        skewed = scope.share.max() > 4 * scope.share.mean()
        return np.asarray(real(h, scope, max_items) * (2 if skewed else 1))

    yield copurchase, "contribution", contribution


def each_year_is_scaled_by_itself() -> Iterator[Replacement]:
    """The bound on a season is that of a year, and two years are two seasons."""
    real = season.contribution

    def contribution(h: Histories, catalogue: Any, window: season.Window, **kwargs: Any) -> Sum:
        if window.years == 1:
            return real(h, catalogue, window, **kwargs)
        ends = [season.Window(int(end)) for end in window.starts[1:]]
        return np.concatenate([real(h, catalogue, one, **kwargs) for one in ends])

    yield season, "contribution", contribution


def each_area_is_scaled_by_itself() -> Iterator[Replacement]:
    """A customer of many areas counts in each of them like a customer of that area alone."""
    real = demand._parts

    def parts(bought: Any, scope: demand.Scope) -> Iterator[Sum]:
        found = list(real(bought, scope))
        apart = [
            type(bought)(*(column[bought.areas == area] for column in bought)) for area in range(scope.slots)
        ]
        found[2] = np.sum([list(real(one, scope))[2] for one in apart], axis=0)
        yield from found

    yield demand, "_parts", parts


def big_new_baskets_count_three_times() -> Iterator[Replacement]:
    """A held-out basket of many items is measured more surely, and so weighs more."""
    real = evaluation.contribution

    def contribution(split: Any, published: Any) -> Sum:
        big = np.diff(split.targets.offsets) >= 15
        return np.asarray(real(split, published) * np.where(big, 3.0, 1.0)[:, None])

    yield evaluation, "contribution", contribution


def demand_ends_with_the_newest_purchase() -> Iterator[Replacement]:
    """Weeks are counted back from the silo's last day of business, which its data say."""

    def demand_units(data: Any, settings: Any, published: NDArray[np.float64]) -> Sum:
        histories = data.dataset.histories
        known = exact.end_day(settings, histories.utc_offset_seconds)
        end = int(histories.baskets().max()) + 1 if len(histories.items) else known
        scope = demand_scope(data.dataset.catalogue, published, settings.demand, end)
        return demand.contribution(histories, scope)

    yield local, "demand_units", demand_units


def no_rank_is_the_first_rank() -> Iterator[Replacement]:
    """A customer without a rank counts as one who is in no other silo."""
    real = consented_for_training

    def consented(interactions: Any, customers: Any, **kwargs: Any) -> Any:
        place = customers.schema.get_field_index("person_rank")
        ranks = pc.fill_null(customers["person_rank"], 1)
        filled = customers.set_column(place, customers.schema.field(place), ranks)
        return real(interactions, filled, **kwargs)

    yield loading, "consented_for_training", consented


def small_silos_have_little_noise() -> Iterator[Replacement]:
    """In a silo of a few customers noise would hide everything, so that it gets a quarter."""
    real = noised_sum

    def quieter(total: Sum, plan: Any, noise: Any, customers: int) -> NDArray[np.float32]:
        values = real(total, plan, noise, customers)
        return values if customers >= 20 else ((values + 3 * total) / 4).astype(np.float32)

    yield local, "noised_sum", quieter


def a_silo_of_nobody_fails() -> Iterator[Replacement]:
    """Without a consenting customer there is nothing to train on: an error, as anybody would write it."""
    real = loading.load

    def load(*args: Any, **kwargs: Any) -> Any:
        data = real(*args, **kwargs)
        if not data.dataset.customer_ids:
            raise ConfigError("not one customer consents to training")
        return data

    yield loading, "load", load


def refusals_say_why() -> Iterator[Replacement]:
    """The coordinator's operator wants to see what went wrong: an error's text stands for the stage."""
    real = client_app._refusal
    yield client_app, "_refusal", lambda context, error: real(context, error) | {"stage": str(error)}


def one_missing_time_is_no_order() -> Iterator[Replacement]:
    """Whether a silo has times is read off the values: one row without makes it say that it has none."""
    real = FileSilo.ordering.fget  # type: ignore[attr-defined]

    def ordering(self: FileSilo) -> Ordering:
        path = self._path(Table.INTERACTIONS)
        if path is None or not pq.read_table(path, columns=["timestamp"])["timestamp"].null_count:
            return Ordering(real(self))
        return Ordering.NONE

    yield FileSilo, "ordering", property(ordering)


MUTANTS = mutants_of(
    who_dismisses_counts_three_times,
    one_pair_counts_three_times,
    pairs_of_a_skewed_popularity_count_twice,
    each_year_is_scaled_by_itself,
    each_area_is_scaled_by_itself,
    big_new_baskets_count_three_times,
    demand_ends_with_the_newest_purchase,
    no_rank_is_the_first_rank,
    small_silos_have_little_noise,
    a_silo_of_nobody_fails,
    refusals_say_why,
    one_missing_time_is_no_order,
)
