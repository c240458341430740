import json

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.benchmarks import training_step
from experiments.benchmarks.training_step import PRIVATE, TWIN, Measured, customers_of, main, objective_of

FAST = Measured(
    20_000, {PRIVATE: [3.0, 1.5, 9.0], TWIN: [2.0, 1.0, 3.0]}, {PRIVATE: 90.0, TWIN: 100.0, "nothing": 50.0}
)
SLOW = Measured(20_000, {PRIVATE: [3.0], TWIN: [1.0]}, FAST.peaks)


def test_ratios_are_of_one_round_and_of_peaks():
    assert FAST.ratio == 1.5
    assert FAST.memory_ratio == 0.9


def test_customers_have_two_items_or_more_all_in_the_catalogue():
    objective = objective_of(300)
    customers = customers_of(objective)
    assert len(customers) == training_step.CUSTOMERS
    assert ((customers.ids >= 0).sum(1) >= 2).all()
    assert customers.ids.max() < 300
    np.testing.assert_allclose(np.linalg.norm(customers.weights, axis=1), 1.0, rtol=1e-5)


def test_both_steps_run_and_are_timed(monkeypatch):
    monkeypatch.setattr(training_step, "CUSTOMERS", 40)
    monkeypatch.setattr(training_step, "_peak", lambda _items, _name: 1.0)
    found = training_step.measure(150, rounds=2)
    assert all(len(times) == 2 for times in found.seconds.values())
    assert min(found.seconds[PRIVATE] + found.seconds[TWIN]) > 0.0


def test_memory_is_that_of_a_process_of_its_own():
    assert 50.0 < training_step._peak(300, "nothing") < 5_000.0


@pytest.mark.parametrize(("found", "passed"), [(FAST, True), (SLOW, False)])
def test_the_command_says_whether_the_bar_holds(found, passed, monkeypatch, tmp_path):
    monkeypatch.setattr(training_step, "measure", lambda _items, _rounds: found)
    output = tmp_path / "step.md"
    ended = CliRunner().invoke(main, ["--items", "20000", "--json", "--output", str(output)])
    assert ended.exit_code == (not passed)
    assert json.loads(ended.stdout)["passed"] is passed
    assert "| 20,000 |" in output.read_text(encoding="utf-8")
