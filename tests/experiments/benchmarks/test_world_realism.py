from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from experiments.benchmarks import world_comparison
from experiments.benchmarks.basket_statistics import (
    Purchases,
    gap_variation,
    global_recall,
    personal_recall,
    popularity_gini,
    repeat_share,
    split_last_basket,
)
from experiments.benchmarks.world_realism import main, within
from recsys.errors import ConfigError


def purchases(rows: list[tuple[int, int, int]]) -> Purchases:
    customer, day, item = (np.array(column) for column in zip(*rows, strict=True))
    return Purchases.distinct(customer, day, item)


def test_purchases_are_distinct_and_sorted() -> None:
    found = purchases([(1, 0, 2), (0, 3, 1), (1, 0, 2), (0, 1, 1)])
    assert list(zip(found.customer, found.day, found.item, strict=True)) == [(0, 1, 1), (0, 3, 1), (1, 0, 2)]


def test_gini_is_zero_for_equal_items_and_grows_with_concentration() -> None:
    assert popularity_gini(purchases([(0, 0, 0), (0, 0, 1), (1, 0, 2)])) == pytest.approx(0)
    rows = [(customer, 0, 0) for customer in range(9)] + [(0, 0, 3)]
    assert popularity_gini(purchases(rows)) == pytest.approx(0.4)


def test_repeat_share_counts_what_is_not_the_first() -> None:
    assert repeat_share(purchases([(0, 0, 5), (0, 1, 5), (0, 2, 5), (1, 0, 5)])) == pytest.approx(0.5)


def test_recalls_of_the_last_basket_by_hand() -> None:
    rows = [(0, day, 20) for day in range(5)] + [(0, 4, 21)]
    rows += [(1 + item, 0, item) for item in range(11)] + [(20 + item, 0, item) for item in range(11)]
    split = split_last_basket(purchases(rows))
    assert split.sizes.tolist()[:2] == [2, 0]
    assert personal_recall(split) == pytest.approx(0.5)
    assert global_recall(split) == pytest.approx(0.5)


def test_gaps_of_a_clock_do_not_vary() -> None:
    assert gap_variation(purchases([(0, 7 * week, 1) for week in range(8)])) == pytest.approx(0)


def test_within_is_relative_to_the_real_figure() -> None:
    assert within(1.0, 1.2)
    assert not within(1.0, 0.79)


def test_without_the_real_set_the_error_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--data"):
        world_comparison.load_real(tmp_path)


def test_the_command_prints_both_sides_and_writes_the_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    day = 86_400 * random.integers(0, 400, 4000)
    table = pa.table(
        {
            "customer_id": [f"c{number}" for number in random.integers(0, 40, 4000)],
            "item_id": [f"i{number}" for number in random.zipf(1.6, 4000) % 200],
            "timestamp": day,
        }
    )
    (tmp_path / "dunnhumby_lgsr").mkdir()
    pq.write_table(table, tmp_path / world_comparison.REAL_SET)
    output = tmp_path / "table.md"
    arguments = ["--data", str(tmp_path), "--persons", "120", "--output", str(output), "--json"]
    result = CliRunner().invoke(main, arguments)
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["passed"] else 1)
    assert 0 < found["simulated"]["repeat share"] < 1
    assert set(found["real"]) <= set(found["simulated"])
    assert "| repeat share |" in output.read_text()
    assert "at commit" in output.read_text()
