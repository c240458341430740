"""What a bundle holds: the parts that training publishes, their index, and the manifest that seals them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.formats import (
    REMEDY,
    Arrays,
    array_bytes,
    catalogue_bytes,
    json_bytes,
    read_arrays,
    read_catalogue,
    read_json,
)
from recsys.bundle.index import ItemIndex, build_index
from recsys.bundle.manifest import BlendSpec, Manifest, Metrics, SequenceSpec
from recsys.data.vocab import Catalogue
from recsys.errors import BundleError
from recsys.models.demand_forecast import DemandModel
from recsys.models.followup_rules import FollowUp, from_fields, to_fields

CATALOGUE, VECTORS, TOWER, INDEX = (
    "catalogue.parquet",
    "vectors.safetensors",
    "user_tower.onnx",
    "index.faiss",
)
NEIGHBOURS, INTERVALS, STATEMENT = "copurchase.safetensors", "replenishment.safetensors", "statement.json"
FILES = (CATALOGUE, VECTORS, TOWER, INDEX, NEIGHBOURS, INTERVALS, STATEMENT)
FOLLOW_UPS = "followups.json"
DEMAND = "demand.safetensors"
OPTIONAL = (FOLLOW_UPS, DEMAND)
"""Files of a bundle whose model has that part; others do without."""


@dataclass(frozen=True)
class Parts:
    """What training publishes; everything in it is public or noised and charged.

    catalogue:      the public catalogue, n items
    vectors:        float32 [n, d], v_j: all blocks side by side, scaled by the public fusion weights
    history_table:  float32 [n, d], T: what a history item adds to the user vector, block by block as in v
    log_popularity: float32 [n], natural logarithm of the noised popularity
    user_tower:     ONNX graph (ids int64 [B, L], weights float32 [B, L]) -> user float32 [B, d]
    neighbours:     int32 [n, m], items often bought together with each, -1 where there are fewer
    lifts:          float32 [n, m], how many times more often than by chance; 0 where there is no neighbour
    intervals:      named arrays of the replenishment model
    statement:      the privacy statement
    follow_ups:     what is needed some time after a purchase; None where it was not looked for
    demand:         named arrays of the demand model; none where sales were not foreseen
    """

    catalogue: Catalogue
    vectors: NDArray[np.float32]
    history_table: NDArray[np.float32]
    log_popularity: NDArray[np.float32]
    user_tower: bytes
    neighbours: NDArray[np.int32]
    lifts: NDArray[np.float32]
    intervals: Arrays
    statement: Mapping[str, Any]
    follow_ups: tuple[FollowUp, ...] | None = field(default=None, kw_only=True)
    demand: Arrays = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class Bundle(Parts):
    """Parts with the index over the vectors and the manifest that seals them."""

    index: ItemIndex
    manifest: Manifest

    @property
    def version(self) -> str:
        """The model version: equal for equal content."""
        return self.manifest.model_version

    def with_manifest(
        self,
        *,
        metrics: Metrics | None = None,
        privacy_statement: Mapping[str, Any] | None = None,
        parent: str | None = None,
    ) -> Bundle:
        """The same content with metrics, statement summary or parent entered; its version stays."""
        changes = {"metrics": metrics, "privacy_statement": privacy_statement, "parent": parent}
        given = {name: value for name, value in changes.items() if value is not None}
        manifest = Manifest.model_validate({**dict(self.manifest), **given})
        return replace(self, manifest=manifest)


def assemble(
    parts: Parts,
    *,
    sequence: SequenceSpec,
    blend: BlendSpec,
    blocks: Mapping[str, tuple[int, int]],
    created_at: datetime | None = None,
) -> Bundle:
    """Index, hash and seal the parts. `blocks` names the columns of the vectors (towers, copurchase).

    Raises BundleError if shapes disagree or a number is not finite.
    """
    check_parts(parts, blocks)
    index = build_index(parts.vectors, parts.log_popularity)
    manifest = Manifest.of(
        {name: digest(data) for name, data in serialise(parts, index).items()},
        created_at=(created_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        catalogue_hash=parts.catalogue.hash,
        n_items=len(parts.catalogue),
        sequence=sequence,
        blend=blend,
        blocks=dict(blocks),
    )
    return Bundle(**vars(parts), index=index, manifest=manifest)


def digest(data: bytes) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def serialise(parts: Parts, index: ItemIndex) -> dict[str, bytes]:
    """The bytes of every file but the manifest; equal parts give equal bytes."""
    vectors = {
        "vectors": parts.vectors,
        "history_table": parts.history_table,
        "log_popularity": parts.log_popularity,
    }
    files = {
        CATALOGUE: catalogue_bytes(parts.catalogue),
        VECTORS: array_bytes(vectors),
        TOWER: parts.user_tower,
        INDEX: index.to_bytes(),
        NEIGHBOURS: array_bytes({"neighbours": parts.neighbours, "lifts": parts.lifts}),
        INTERVALS: array_bytes(parts.intervals),
        STATEMENT: json_bytes(parts.statement),
    }
    if parts.follow_ups is not None:
        files[FOLLOW_UPS] = json_bytes(to_fields(parts.follow_ups))
    if parts.demand:
        files[DEMAND] = array_bytes(parts.demand)
    return files


def parse(files: Mapping[str, bytes], manifest: Manifest) -> Bundle:
    """The bundle in these files, whose hashes have been checked. Raises BundleError that names the file."""
    vectors = read_arrays(files[VECTORS], VECTORS, ("vectors", "history_table", "log_popularity"))
    related = read_arrays(files[NEIGHBOURS], NEIGHBOURS, ("neighbours", "lifts"))
    catalogue = read_catalogue(files[CATALOGUE], CATALOGUE)
    parts = Parts(
        catalogue=catalogue,
        user_tower=files[TOWER],
        intervals=read_arrays(files[INTERVALS], INTERVALS),
        statement=read_json(files[STATEMENT], STATEMENT),
        follow_ups=_follow_ups(files, catalogue),
        demand=read_arrays(files[DEMAND], DEMAND) if DEMAND in files else {},
        **vectors,
        **related,
    )
    if parts.catalogue.hash != manifest.catalogue_hash or len(parts.catalogue) != manifest.n_items:
        raise BundleError(f"{CATALOGUE}: not the catalogue that the manifest names; {REMEDY}")
    check_parts(parts, manifest.blocks)
    index = ItemIndex.from_bytes(files[INDEX], parts.vectors, parts.log_popularity, INDEX)
    return Bundle(**vars(parts), index=index, manifest=manifest)


def _follow_ups(files: Mapping[str, bytes], catalogue: Catalogue) -> tuple[FollowUp, ...] | None:
    if FOLLOW_UPS not in files:
        return None
    known = frozenset(catalogue.categories) - {""}
    return from_fields(read_json(files[FOLLOW_UPS], FOLLOW_UPS), known, FOLLOW_UPS)


def check_parts(parts: Parts, blocks: Mapping[str, tuple[int, int]]) -> None:
    """Raise BundleError unless all shapes, types and blocks fit together and every number is finite."""
    n, d = len(parts.catalogue), parts.vectors.shape[-1]
    m = parts.neighbours.shape[-1]
    _check_array(VECTORS, "vectors", parts.vectors, np.float32, (n, d))
    _check_array(VECTORS, "history_table", parts.history_table, np.float32, (n, d))
    _check_array(VECTORS, "log_popularity", parts.log_popularity, np.float32, (n,))
    _check_array(NEIGHBOURS, "neighbours", parts.neighbours, np.int32, (n, m))
    _check_array(NEIGHBOURS, "lifts", parts.lifts, np.float32, (n, m))
    if parts.neighbours.size and not -1 <= parts.neighbours.min() <= parts.neighbours.max() < n:
        raise BundleError(f"{NEIGHBOURS}: a neighbour is outside the {n} items of the catalogue; {REMEDY}")
    _check_blocks(blocks, d)
    DemandModel.from_arrays(parts.demand, parts.catalogue)  # raises BundleError


def _check_array(
    file: str, name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise BundleError(
            f"{file}: '{name}' is {array.dtype} {list(array.shape)}, "
            f"expected {np.dtype(dtype)} {list(shape)}; {REMEDY}"
        )
    if not np.isfinite(array).all():
        raise BundleError(f"{file}: '{name}' has values that are not finite numbers; {REMEDY}")


def _check_blocks(blocks: Mapping[str, tuple[int, int]], columns: int) -> None:
    position = 0
    for name, (start, stop) in sorted(blocks.items(), key=lambda block: block[1]):
        if start != position or stop < start:
            raise BundleError(f"manifest.json: block '{name}' [{start}, {stop}) leaves a gap; {REMEDY}")
        position = stop
    if position != columns:
        raise BundleError(
            f"manifest.json: blocks cover {position} of {columns} columns of the vectors; {REMEDY}"
        )
