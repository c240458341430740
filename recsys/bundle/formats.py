"""The file formats of a bundle's parts: Parquet, safetensors and JSON; nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from recsys.data.vocab import Catalogue
from recsys.errors import BundleError, ThousandFacesError

Arrays = Mapping[str, NDArray[Any]]

REMEDY = "publish the bundle again"


def catalogue_bytes(catalogue: Catalogue) -> bytes:
    """The catalogue as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(catalogue.to_table(), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def read_catalogue(data: bytes, where: str) -> Catalogue:
    """The catalogue in a Parquet file. Raises BundleError."""
    try:
        return Catalogue.from_table(pq.read_table(pa.BufferReader(data)))
    except (pa.ArrowException, ThousandFacesError) as error:
        raise BundleError(f"{where}: not a catalogue ({error}); {REMEDY}") from None


def array_bytes(arrays: Arrays) -> bytes:
    """Named arrays as a safetensors file."""
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def read_arrays(data: bytes, where: str, wanted: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The arrays in a safetensors file: those wanted, or all. Raises BundleError if one is missing."""
    try:
        arrays = safetensors.numpy.load(data)
    except SafetensorError as error:
        raise BundleError(f"{where}: not a safetensors file ({error}); {REMEDY}") from None
    for name in wanted:
        if name not in arrays:
            raise BundleError(f"{where}: has no array '{name}'; {REMEDY}")
    return {name: arrays[name] for name in wanted or arrays}


def json_bytes(fields: Mapping[str, Any]) -> bytes:
    """A JSON object; equal fields give equal bytes."""
    return (json.dumps(dict(fields), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_json(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in a file. Raises BundleError."""
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON ({error}); {REMEDY}") from None
    if not isinstance(fields, dict):
        raise BundleError(f"{where}: not a JSON object; {REMEDY}")
    return fields
