"""From files to sums: what one customer adds to each stage's raw sum is that customer's own, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.contracts.neighbours.worlds import World, draw_pair
from tests.contracts.neighbours.written import CATALOGUE, configured, write_world
from training import exact, local
from training.config import DEMAND, FOLLOWUPS, POPULARITY, SEASON
from training.config_file import load_config
from training.loading import TrainingData, load

SETTINGS = load_config(None, ["until=2025-02-10T00:00:00Z", "demand.max_areas=4"]).silo_settings(ordered=True)
PUBLISHED = np.full(len(CATALOGUE), 1.0 / len(CATALOGUE))
SUMS: dict[str, Callable[[TrainingData], NDArray[np.float64]]] = {
    POPULARITY: lambda data: exact.popularity_counts(data, SETTINGS, None),
    SEASON: lambda data: exact.season_days(data, SETTINGS),
    FOLLOWUPS: lambda data: exact.followup_cells(data, SETTINGS, PUBLISHED),
    DEMAND: lambda data: exact.demand_units(data, SETTINGS, PUBLISHED),
}


def loaded(world: World, folder: Path) -> TrainingData:
    silo = configured(write_world(world, folder)).training_silo()
    return load(silo, CATALOGUE, SETTINGS, max_silos_per_person=1, silos=1)


@pytest.mark.evidence
def test_a_sum_moves_by_the_customers_own_part_alone(
    tmp_path: Path, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    pairs, moved, furthest = [n for n in range(counted(12, 300)) if n % 5 != 4], 0, 0.0
    for number in pairs:
        world, neighbour, gone = draw_pair(number)
        alone = world
        for name in neighbour.names:
            alone = alone.without(name)
        with_one, without, only = (
            loaded(one, tmp_path / f"{number} {place}") for place, one in enumerate((world, neighbour, alone))
        )
        for name, add_up in SUMS.items():
            one, other, own = add_up(with_one), add_up(without), add_up(only)
            np.testing.assert_allclose(
                one - other, own, rtol=0.0, atol=1e-9, err_msg=f"{number} {name} {gone}"
            )
            share = float(np.linalg.norm(own)) / local.BOUNDS[name]
            moved, furthest = moved + (share > 0.0), max(furthest, share)
    evidence(
        "neighbours, raw sums made of files: the sum with a customer less the one without",
        bar="the customer's own sum to 1e-9, at most 1 clip norm",
        measured=f"{len(pairs)} pairs, {len(SUMS)} sums, {moved} moved, at most {furthest:.6f} clip norms",
    )
    assert furthest <= 1.0
    assert moved >= len(pairs)
