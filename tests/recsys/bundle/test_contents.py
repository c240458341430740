from dataclasses import replace

import numpy as np
import pytest

from recsys.bundle.contents import assemble, parse, serialise
from recsys.bundle.index import build_index
from recsys.bundle.manifest import BlendSpec, Metrics, SequenceSpec, Stamp
from recsys.errors import BundleError
from tests.recsys.bundle_builder import World, build_bundle, make_catalogue, make_parts

BLOCKS = {"towers": (0, 8), "copurchase": (8, 14)}


def put_together(parts, blocks=BLOCKS):
    return assemble(parts, sequence=SequenceSpec(), blend=BlendSpec(), blocks=blocks)


def test_equal_parts_make_equal_bundles():
    one, two = build_bundle(), build_bundle()
    assert serialise(one, one.index) == serialise(two, two.index)
    assert one.version == two.version
    assert one.version != build_bundle(seed=1).version


def test_metrics_statement_and_parent_leave_the_version_alone():
    bundle = build_bundle()
    metrics = Metrics(stamp=Stamp.SIMULATED, values={"recall@10": 0.5})
    told = bundle.with_manifest(metrics=metrics, privacy_statement={"epsilon": 4.0}, parent="abc")
    assert told.version == bundle.version
    assert (told.manifest.metrics, told.manifest.parent) == (metrics, "abc")
    assert told.with_manifest(parent="def").manifest.metrics == metrics


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"vectors": np.zeros((59, 14), np.float32)},
            r"'vectors' is float32 \[59, 14\], expected float32 \[60, 14\]",
        ),
        ({"history_table": np.zeros((60, 14))}, "'history_table' is float64"),
        (
            {"log_popularity": np.full(60, -np.inf, np.float32)},
            "'log_popularity' has values that are not finite",
        ),
        ({"lifts": np.zeros((60, 4), np.float32)}, "'lifts'"),
        ({"neighbours": np.full((60, 5), 60, np.int32)}, "a neighbour is outside the 60 items"),
        ({"neighbours": np.full((60, 5), -2, np.int32)}, "a neighbour is outside"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, problem):
    with pytest.raises(BundleError, match=problem):
        put_together(replace(make_parts(World()), **change))


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ({"towers": (0, 8)}, "blocks cover 8 of 14 columns"),
        ({"towers": (0, 8), "copurchase": (9, 14)}, r"block 'copurchase' \[9, 14\) leaves a gap"),
        ({"towers": (0, 15)}, "blocks cover 15"),
    ],
)
def test_blocks_must_cover_the_columns(blocks, problem):
    with pytest.raises(BundleError, match=problem):
        put_together(make_parts(World()), blocks)


def test_a_bundle_without_neighbours_is_a_bundle():
    none = {"neighbours": np.zeros((60, 0), np.int32), "lifts": np.zeros((60, 0), np.float32)}
    assert put_together(replace(make_parts(World()), **none)).neighbours.shape == (60, 0)


def test_parts_read_from_files_are_checked_against_each_other():
    bundle = build_bundle()
    files = serialise(bundle, bundle.index)
    short = build_index(bundle.vectors[:-1], bundle.log_popularity[:-1]).to_bytes()
    with pytest.raises(BundleError, match=r"index\.faiss: holds 59 x 22"):
        parse({**files, "index.faiss": short}, bundle.manifest)
    foreign = build_bundle(seed=1).index.to_bytes()
    with pytest.raises(BundleError, match=r"index\.faiss: is not over the published vectors"):
        parse({**files, "index.faiss": foreign}, bundle.manifest)
    other = serialise(replace(bundle, catalogue=make_catalogue(61)), bundle.index)
    with pytest.raises(BundleError, match=r"catalogue\.parquet: not the catalogue that the manifest names"):
        parse({**files, "catalogue.parquet": other["catalogue.parquet"]}, bundle.manifest)
