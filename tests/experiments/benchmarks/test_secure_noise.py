import json

import pytest
from click.testing import CliRunner

from experiments.benchmarks import secure_noise
from experiments.benchmarks.secure_noise import SECURE, YARDSTICK, generators, measure, ratio, table

SECONDS = {SECURE: [3.0, 8.0, 4.0], YARDSTICK: [2.0, 2.0, 2.0]}


def test_ratios_are_taken_within_rounds() -> None:
    assert ratio(SECONDS, YARDSTICK) == 2.0
    assert ratio({SECURE: [3.0, 30.0, 2.0], YARDSTICK: [1.0, 10.0, 2.0]}, YARDSTICK) == 3.0
    assert [line.rsplit("|", 2)[1].strip() for line in table(SECONDS)[2:]] == ["1.00 x", "2.00 x"]


def test_generators_take_turns_and_a_first_round_is_not_counted() -> None:
    drawn: list[str] = []
    seconds = measure({name: lambda name=name: drawn.append(name) for name in "ab"}, rounds=2)
    assert drawn == ["a", "b"] * 3
    assert [len(times) for times in seconds.values()] == [2, 2]


def test_all_generators_draw_the_same_shape() -> None:
    assert {tuple(draw().shape) for draw in generators().values()} == {secure_noise.SHAPE}


@pytest.mark.parametrize(("seconds", "code"), [(2.0, 0), (7.0, 1)])
def test_the_exit_code_says_whether_the_bar_is_met(
    seconds: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure_noise, "measure", lambda *_: {SECURE: [seconds], YARDSTICK: [2.0]})
    result = CliRunner().invoke(secure_noise.main, ["--json"])
    assert result.exit_code == code
    assert json.loads(result.output) == {"passed": code == 0, "ratio": seconds / 2.0}
