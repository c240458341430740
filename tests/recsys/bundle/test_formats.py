import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.bundle import formats
from recsys.errors import BundleError
from tests.recsys.bundle_builder import make_catalogue


def test_a_catalogue_survives_its_bytes():
    catalogue = make_catalogue(7)
    copy = formats.read_catalogue(formats.catalogue_bytes(catalogue), "c")
    assert copy.hash == catalogue.hash
    assert (copy.titles, copy.categories) == (catalogue.titles, catalogue.categories)
    np.testing.assert_array_equal(copy.prices, catalogue.prices)


def test_arrays_survive_their_bytes():
    arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3).T, "b": np.zeros((0, 2))}
    copy = formats.read_arrays(formats.array_bytes(arrays), "x")
    assert set(copy) == {"a", "b"}
    np.testing.assert_array_equal(copy["a"], arrays["a"])
    assert list(formats.read_arrays(formats.array_bytes(arrays), "x", ("b",))) == ["b"]


def _wrong_table() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1]}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("data", [b"", b"PAR1 broken PAR1"])
def test_bytes_that_are_no_catalogue_are_refused(data):
    with pytest.raises(BundleError, match="there: not a catalogue"):
        formats.read_catalogue(data, "there")


def test_a_table_without_item_ids_is_no_catalogue():
    with pytest.raises(BundleError, match="there: not a catalogue"):
        formats.read_catalogue(_wrong_table(), "there")


def test_bytes_that_are_no_arrays_are_refused():
    with pytest.raises(BundleError, match="there: not a safetensors file"):
        formats.read_arrays(b"\x80\x04pickle", "there")
    with pytest.raises(BundleError, match="there: has no array 'b'"):
        formats.read_arrays(formats.array_bytes({"a": np.zeros(1)}), "there", ("b",))


@pytest.mark.parametrize(("data", "problem"), [(b"{", "not JSON"), (b"3", "not a JSON object")])
def test_text_that_is_no_object_is_refused(data, problem):
    assert formats.read_json(formats.json_bytes({"é": 1}), "x") == {"é": 1}
    with pytest.raises(BundleError, match=f"there: {problem}"):
        formats.read_json(data, "there")
