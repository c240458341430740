"""A bar is asserted and printed from the same numbers."""

import pytest

from experiments.evidence.bars import Bar


@pytest.mark.parametrize(
    ("limits", "holds"),
    [
        ({"at_most": 1.0}, True),
        ({"below": 1.0}, False),
        ({"at_least": 1.0}, True),
        ({"above": 1.0}, False),
        ({"at_least": 0.5, "at_most": 0.9}, False),
    ],
)
def test_a_bar_compares_what_it_prints(limits: dict[str, float], holds: bool) -> None:
    assert Bar("move", 1.0, **limits).holds is holds
    assert not Bar("move", float("nan"), **limits).holds


def test_a_bar_without_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit"):
        Bar("move", 1.0)


def test_limits_are_printed_as_words() -> None:
    bar = Bar("move", 0.93, at_least=0.8, at_most=1)
    assert bar.words == "move at most 1 and at least 0.8"
    assert bar.measured == "move 0.93"
