"""Runs the exported user tower with ONNX Runtime: no torch in serving."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from recsys.errors import BundleError
from recsys.features.sequences import Sequences

FATAL_ONLY = 4
_FAILURES = (RuntimeError, ValueError)  # ONNX Runtime's own errors derive from these


class EncoderError(BundleError):
    """The user tower could not be run for an input; the recommender answers without it."""


class UserEncoder:
    """One loaded user tower: sequences of n customers in, user vectors float32 [n, d] out."""

    def __init__(self, user_tower: bytes, columns: int) -> None:
        """Raises BundleError if the bytes are no such graph, or it gives other than `columns` values."""
        try:
            self._session = onnxruntime.InferenceSession(
                user_tower, _one_thread(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - its exception classes have no public base
            raise BundleError(
                f"user_tower.onnx: cannot be loaded ({_line(error)}); publish the bundle again"
            ) from None
        inputs = {node.name for node in self._session.get_inputs()}
        outputs = [(node.name, node.shape[-1]) for node in self._session.get_outputs()]
        if inputs != {"ids", "weights"} or outputs != [("user", columns)]:
            raise BundleError(
                f"user_tower.onnx: takes {sorted(inputs)} and gives {outputs}, expected ids and weights to "
                f"user [batch, {columns}]; publish the bundle again"
            )

    def encode(self, sequences: Sequences) -> NDArray[np.float32]:
        """User vectors; float32 [n, d]. Raises EncoderError if the graph refuses the input."""
        try:
            (user,) = self._session.run(["user"], {"ids": sequences.ids, "weights": sequences.weights})
        except Exception as error:  # noqa: BLE001 - its exception classes have no public base
            raise EncoderError(
                f"user_tower.onnx: failed ({_line(error)}); check that the history fits the bundle"
            ) from None
        vectors: NDArray[np.float32] = user
        return vectors


def _one_thread() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    return options


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
