"""The user tower as an ONNX graph: what serving runs, without torch. Built from the history table alone."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recsys.errors import TrainingError
from recsys.features.profile import NO_COLUMN, TasteProfile

OPSET = 17
IR_VERSION = 9  # read by every ONNX Runtime since 1.15
PROBES, PROBE_LENGTH = 16, 12
TOLERANCE = 1e-5
ONE = numpy_helper.from_array(np.ones(1, np.float32))


def export_user_tower(history_table: NDArray[np.float32], profile: TasteProfile | None = None) -> bytes:
    """The graph (ids int64 [B, L], weights float32 [B, L]) -> user float32 [B, d].

    user = sum over l of weights[l] * T[ids[l]], where ids of -1 (padding) add nothing whatever their weight.
    history_table: T, float32 [n, d]: all blocks side by side, so one encoder serves every model.
    profile: the last columns are its instead, computed from the items whose weight is above 0.
    Equal tables give equal bytes. Raises TrainingError if T is not a table of finite numbers.
    """
    table = np.ascontiguousarray(history_table, np.float32)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise TrainingError(
            f"user tower: a history table of shape {list(table.shape)} cannot be exported; "
            "give finite numbers for at least one item and one column"
        )
    model = helper.make_model(
        _graph(table, profile if profile is not None and len(profile) else None),
        producer_name="thousandfaces",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def check_parity(
    user_tower: bytes, history_table: NDArray[np.float32], profile: TasteProfile | None = None, seed: int = 0
) -> float:
    """The largest difference between the graph and numpy on random histories, relative to the table's scale.

    Raises TrainingError if it exceeds 1e-5: then the graph is not that of the table.
    """
    random = np.random.default_rng(seed)
    ids = random.integers(-1, len(history_table), (PROBES, PROBE_LENGTH))
    weights = random.random(ids.shape, np.float32)
    session = onnxruntime.InferenceSession(user_tower, providers=["CPUExecutionProvider"])
    (user,) = session.run(None, {"ids": ids, "weights": weights})
    expected = np.einsum("bl,bld->bd", np.where(ids >= 0, weights, 0.0), history_table[np.maximum(ids, 0)])
    if profile is not None and len(profile):
        expected[:, -len(profile) :] = profile.users(np.where(weights > 0.0, ids, -1))
    worst = float(np.abs(user - expected).max() / max(1.0, float(np.abs(history_table).max())))
    if not worst <= TOLERANCE:
        raise TrainingError(
            f"user tower: differs from its table by {worst:.1e} (allowed {TOLERANCE:.0e}); export it again"
        )
    return worst


def _graph(table: NDArray[np.float32], profile: TasteProfile | None) -> onnx.GraphProto:
    inputs, outputs = _inputs(), _outputs(table.shape[1])
    if profile is None:
        return helper.make_graph(_sum_nodes("user"), "user_tower", inputs, outputs, _constants(table))
    nodes = [*_sum_nodes("linear"), *_profile_nodes()]
    constants = [*_constants(table[:, : -len(profile)]), *_profile_constants(profile)]
    return helper.make_graph(nodes, "user_tower", inputs, outputs, constants)


def _profile_nodes() -> list[onnx.NodeProto]:
    """Counts by feature, then weight * log((count + prior) / (total * expected + prior))."""
    return [
        helper.make_node("Greater", ["masked", "nothing"], ["counted"]),
        helper.make_node("Where", ["counted", "rows", "no_item"], ["counted_rows"]),
        helper.make_node("Gather", ["columns", "counted_rows"], ["found"]),
        helper.make_node("Flatten", ["found"], ["features"], axis=1),
        helper.make_node("Shape", ["features"], ["how_many"]),
        helper.make_node("ConstantOfShape", ["how_many"], ["each"], value=ONE),
        helper.make_node("Shape", ["ids"], ["customers"], end=1),
        helper.make_node("Concat", ["customers", "width"], ["table_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["table_shape"], ["none_yet"]),
        helper.make_node(
            "ScatterElements", ["none_yet", "features", "each"], ["all_counts"], axis=1, reduction="add"
        ),
        helper.make_node("Slice", ["all_counts", "first", "last", "one"], ["counts"]),
        helper.make_node("Cast", ["counted"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "one"], ["total"], keepdims=1),
        helper.make_node("Mul", ["total", "expected"], ["expected_counts"]),
        helper.make_node("Add", ["expected_counts", "prior"], ["below"]),
        helper.make_node("Add", ["counts", "prior"], ["above"]),
        helper.make_node("Div", ["above", "below"], ["ratio"]),
        helper.make_node("Log", ["ratio"], ["log_ratio"]),
        helper.make_node("Mul", ["log_ratio", "per_unit"], ["profile"]),
        helper.make_node("Concat", ["linear", "profile"], ["user"], axis=1),
    ]


def _profile_constants(profile: TasteProfile) -> list[onnx.TensorProto]:
    """The last row of `columns` is for what is not an item; the last column of the counts is dropped."""
    size = len(profile)
    nothing = np.full((1, profile.columns.shape[1]), NO_COLUMN, np.int64)
    columns = np.concatenate([profile.columns, nothing])
    constants = {
        "columns": np.where(columns == NO_COLUMN, size, columns),
        "no_item": np.array(len(profile.columns), np.int64),
        "width": np.array([size + 1], np.int64),
        "first": np.array([0], np.int64),
        "last": np.array([size], np.int64),
        "expected": profile.expected,
        "prior": profile.prior,
        "per_unit": profile.weight,
    }
    return [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]


def _sum_nodes(output: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Max", ["ids", "zero"], ["rows"]),
        helper.make_node("Equal", ["ids", "rows"], ["shown"]),
        helper.make_node("Where", ["shown", "weights", "nothing"], ["masked"]),
        helper.make_node("Unsqueeze", ["masked", "one"], ["row_weights"]),
        helper.make_node("Gather", ["table", "rows"], ["embedded"]),
        helper.make_node("MatMul", ["row_weights", "embedded"], ["summed"]),
        helper.make_node("Squeeze", ["summed", "one"], [output]),
    ]


def _inputs() -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["batch", "length"]),
    ]


def _outputs(columns: int) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info("user", TensorProto.FLOAT, ["batch", columns])]


def _constants(table: NDArray[np.float32]) -> list[onnx.TensorProto]:
    return [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.zeros((), np.int64), "zero"),
        numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
    ]
