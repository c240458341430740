"""Builds whose replies carry something beside the noised sum, or say by their status who is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord

from recsys.errors import PlanError
from recsys.privacy import mechanisms
from training import client_app, local, messages
from training.audit.mutants.registry import Replacement, mutants_of
from training.messages import NOISED_SUM
from training.node import Node


def a_second_record_without_noise() -> Iterator[Replacement]:
    """The sum as it was leaves in a record of its own, under the name of the noised one: for debugging."""
    kept, real = list[Any](), messages.encode_reply
    noised = mechanisms.noised_sum

    def noised_sum(total: Any, *args: Any) -> Any:
        kept[:] = [np.asarray(total, np.float32)]
        return noised(total, *args)

    def encode_reply(public: Any, released: Any = None) -> Any:
        content = real(public, released)
        if released is not None and kept:
            content["debug"] = ArrayRecord({NOISED_SUM: Array(kept.pop())})
        return content

    yield local, "noised_sum", noised_sum
    yield client_app, "encode_reply", encode_reply


def the_sum_behind_the_noised_sum() -> Iterator[Replacement]:
    """A reply's array is twice as long: the noised sum, and behind it the sum."""
    kept, real = list[Any](), messages.encode_reply
    noised = mechanisms.noised_sum

    def noised_sum(total: Any, *args: Any) -> Any:
        kept[:] = [np.asarray(total, np.float32)]
        return noised(total, *args)

    def encode_reply(public: Any, released: Any = None) -> Any:
        if released is not None and kept:
            released = replace(released, values=np.concatenate([released.values, kept.pop()]))
        return real(public, released)

    yield local, "noised_sum", noised_sum
    yield client_app, "encode_reply", encode_reply


def a_silo_without_data_says_so() -> Iterator[Replacement]:
    """A silo in which nobody consents refuses politely, instead of sending noise alone."""
    real = Node._data

    def data(self: Node, *args: Any) -> Any:
        found, snapshot = real(self, *args)
        if not len(found.sequences):
            raise PlanError("there is nothing to learn from in this silo")
        return found, snapshot

    yield Node, "_data", data


MUTANTS = mutants_of(
    a_second_record_without_noise, the_sum_behind_the_noised_sum, a_silo_without_data_says_so
)
