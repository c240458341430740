from __future__ import annotations

import pyarrow as pa

from recsys.data.codes import encoded, positions

KNOWN = pa.array(["bread", "milk", "tea"])
VALUES = pa.chunked_array([["milk", "salt"], [], ["bread", None, "milk"]], pa.string())


def test_codes_keep_the_values_that_are_known() -> None:
    codes = encoded(VALUES, KNOWN)
    assert codes.cast(pa.string()).to_pylist() == ["milk", None, "bread", None, "milk"]
    assert codes.combine_chunks().indices.to_pylist() == [1, None, 0, None, 1]


def test_positions_are_the_same_for_text_and_codes() -> None:
    other = pa.array(["milk", "bread"])
    assert positions(VALUES, other).tolist() == [0, -1, 1, -1, 0]
    assert positions(encoded(VALUES, KNOWN), other).tolist() == [0, -1, 1, -1, 0]
    assert positions(VALUES.combine_chunks(), KNOWN).tolist() == [1, -1, 0, -1, 1]
    assert positions(pa.chunked_array([], pa.string()), KNOWN).tolist() == []
