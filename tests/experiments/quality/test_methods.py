"""Parameters of published methods are chosen on validation alone: a grid, and what lies around its best."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.quality.methods import BASELINES, Bench
from experiments.quality.protocols import Protocol, split
from experiments.quality.tables import read_purchases
from recsys.models.baselines.tifu_knn import PUBLISHED, TifuKnn
from recsys.models.baselines.up_cf import UpCf


def bench(folder: Path, protocol: Protocol, *, ordered: bool) -> Bench:
    random = np.random.default_rng(0)
    rows = 3_000
    columns = {"customer_id": random.integers(0, 60, rows), "item_id": random.integers(0, 40, rows)}
    if ordered:
        columns["order_no"] = random.integers(0, 6, rows)
    pq.write_table(pa.table(columns), folder / "baskets.parquet")
    return Bench(split(read_purchases(folder), protocol), protocol, 0)


@pytest.mark.parametrize(("name", "kind"), [("tifu_knn", TifuKnn), ("up_cf", UpCf)])
def test_the_choice_is_the_best_on_validation_and_the_fit_is_on_all(
    tmp_path: Path, name: str, kind: type[TifuKnn] | type[UpCf]
) -> None:
    made = bench(tmp_path, Protocol.NEXT_BASKET, ordered=True)
    found = BASELINES[name](made)
    tuning = made.validation

    def quality(**values: object) -> float:
        model = kind.fit(tuning.trial.learned, tuning.trial.n_items, **values)  # type: ignore[arg-type]
        return tuning.quality(model)

    best = quality(**found.chosen)
    # The parameter that is searched last, with every value that it was tried with.
    last = "alpha" if name == "tifu_knn" else "locality"
    for value in (0.1, 0.2, 0.3, 0.5, 0.7, 0.9) if last == "alpha" else (1.0, 5.0, 10.0, 50.0):
        assert best >= quality(**{**found.chosen, last: value})
    assert len(tuning.trial.learned) <= len(made.trial.learned)
    again = kind.fit(made.trial.learned, made.trial.n_items, **found.chosen)
    assert np.array_equal(found.model.scores(made.trial.shown), again.scores(made.trial.shown))


def test_without_an_order_nothing_about_the_order_of_baskets_is_searched(tmp_path: Path) -> None:
    made = bench(tmp_path, Protocol.STRONG_GENERALISATION, ordered=False)
    assert BASELINES["tifu_knn"](made).chosen["decay"] == PUBLISHED
    assert BASELINES["up_cf"](made).chosen["recency"] == 5
