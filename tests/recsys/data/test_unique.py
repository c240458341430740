from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data import unique
from recsys.data.unique import first_repeat


def expected(keys: list[tuple[str | None, ...]]) -> tuple[int, int] | None:
    seen: dict[tuple[str | None, ...], int] = {}
    for row, key in enumerate(keys):
        if None not in key and key in seen:
            return seen[key], row
        seen.setdefault(key, row)
    return None


VALUES = st.none() | st.sampled_from(["a", "b", "ab", "c", "d", "e"])
KEYS = st.lists(st.tuples(VALUES), max_size=8) | st.lists(st.tuples(VALUES, VALUES), max_size=8)


@pytest.mark.parametrize(("few", "examples"), [(0, 8), (unique.FEW, 60)])
def test_agrees_with_a_plain_loop(monkeypatch: pytest.MonkeyPatch, few: int, examples: int) -> None:
    monkeypatch.setattr(unique, "FEW", few)

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.nested_given])
    @given(KEYS)
    def check(keys: list[tuple[str | None, ...]]) -> None:
        width = len(keys[0]) if keys else 1
        columns = [pa.chunked_array([[key[i] for key in keys]], pa.string()) for i in range(width)]
        assert first_repeat(columns) == expected(keys)

    check()


@pytest.mark.parametrize("few", [0, unique.FEW])
def test_no_separator_makes_two_keys_one(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(unique, "FEW", few)
    for separator in ("\x1f", "\0", ",", " ", ""):
        one, other = [f"a{separator}b", "a"], ["c", f"b{separator}c"]
        columns = [pa.chunked_array([values], pa.string()) for values in (one, other)]
        assert first_repeat(columns) is None
        parts = unique.Distinct()
        parts.add(columns)
        assert parts.surely()
        parts.add(columns)
        assert not parts.surely()
