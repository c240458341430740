"""Builds whose sums have noise of the right variance and another shape, or noise that is shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from recsys.privacy import mechanisms
from recsys.privacy.mechanisms import SecureNoise
from training import local
from training.audit.mutants.registry import Replacement, mutants_of
from training.node import Node

Values = NDArray[np.float64]
Reshape = Callable[[Values, Values], Values]
"""Makes other noise of a sum's standard normal noise and the sum."""


def laplace_noise_in_sums() -> Iterator[Replacement]:
    """Sums get Laplace noise of the same variance: that is what privacy libraries add by default."""

    def laplace(z: Values, _total: Values) -> Values:
        u = norm.cdf(z) - 0.5
        return np.asarray(-np.sign(u) * np.log1p(-2 * np.abs(u)) / 2**0.5)

    yield from _reshaped(laplace)


def uniform_noise_in_sums() -> Iterator[Replacement]:
    """Sums get uniform noise of the same variance, which is faster to draw."""
    yield from _reshaped(lambda z, _total: (norm.cdf(z) - 0.5) * 12**0.5)


def truncated_noise_in_sums() -> Iterator[Replacement]:
    """Noise of sums is cut at three standard deviations, so that no outlier spoils a model."""
    yield from _reshaped(lambda z, _total: np.clip(z, -3, 3))


def half_the_coordinates_mirror_the_others() -> Iterator[Replacement]:
    """Half the noise is drawn and mirrored with its sign turned: antithetic draws, to save time."""

    def mirrored(z: Values, _total: Values) -> Values:
        half = len(z) // 2
        return np.concatenate([z[: len(z) - half], -z[:half][::-1]])

    yield from _reshaped(mirrored)


def only_what_is_not_zero_is_noised() -> Iterator[Replacement]:
    """Sparse sums stay sparse: noise is added only where something was counted."""
    yield from _reshaped(lambda z, total: z * (total != 0))


def noise_follows_the_value() -> Iterator[Replacement]:
    """Large counts get more noise and small ones less, with the same variance on the whole."""

    def scaled(z: Values, total: Values) -> Values:
        weights = np.sqrt(np.abs(total) + 0.1)
        return np.asarray(z * weights / np.sqrt(np.square(weights).mean()))

    yield from _reshaped(scaled)


def smoothed_noise() -> Iterator[Replacement]:
    """Noise is averaged over neighbouring coordinates and scaled up again, so that curves look better."""
    yield from _reshaped(lambda z, _total: (z + np.roll(z, 1)) / 2**0.5)


def _reshaped(reshape: Reshape) -> Iterator[Replacement]:
    real = mechanisms.noised_sum

    def noised_sum(total: Values, plan: Any, noise: Any, customers: int) -> NDArray[np.float32]:
        drawn = (real(total, plan, noise, customers) - total) / plan.noise_std
        return np.asarray(total + reshape(drawn, total) * plan.noise_std, np.float32)

    yield local, "noised_sum", noised_sum


def noise_shared_by_silos() -> Iterator[Replacement]:
    """Noise follows from run, attempt, stage and round: a run can be repeated, and all silos draw alike."""
    yield from _keyed(lambda _node, asked: asked)


def noise_shared_by_mechanisms() -> Iterator[Replacement]:
    """A silo's stages continue from one key of the run, attempt and round, each from its beginning."""
    yield from _keyed(lambda node, asked: (id(node), asked[0], asked[1], asked[3]))


def rounds_reuse_the_first_rounds_noise() -> Iterator[Replacement]:
    """The noise of a stage is made once for an attempt at a run and used in each of its rounds."""
    yield from _keyed(lambda node, asked: (id(node), *asked[:3]))


def popularitys_rounds_share_noise() -> Iterator[Replacement]:
    """Popularity's second round gets the noise of its first one; all other noise is fresh."""
    one = "train.popularity"
    yield from _keyed(lambda node, asked: (id(node), *asked[:3]) if asked[2] == one else object())


def _keyed(key_of: Callable[[Any, tuple[str, ...]], object]) -> Iterator[Replacement]:
    """Sources that are made while a node works have a key that is kept for what `key_of` says."""
    keys: dict[object, bytes] = {}
    place, real, rekey = threading.local(), Node.release, SecureNoise._rekey

    def release(self: Node, request: Any, *args: Any, **kwargs: Any) -> Any:
        names = ("run_id", "attempt", "stage", "round")
        place.key = key_of(self, tuple(str(request.fields[name]) for name in names))
        try:
            return real(self, request, *args, **kwargs)
        finally:
            place.key = None

    def rekeyed(self: SecureNoise) -> None:
        rekey(self)
        if (key := getattr(place, "key", None)) is not None:
            from training.audit.mutants.noise import _key

            _key(self, keys.setdefault(key, os.urandom(48)))

    yield Node, "release", release
    yield SecureNoise, "_rekey", rekeyed


def same_keystream_after_a_fork() -> Iterator[Replacement]:
    """A source does not look whether it is in another process: asking costs time at every draw."""

    def some_bytes(self: Any, n: int) -> bytes:
        with self._lock:
            drawn: bytes = self._stream.update(bytes(n))
            return drawn

    yield SecureNoise, "_bytes", some_bytes


MUTANTS = mutants_of(
    laplace_noise_in_sums,
    uniform_noise_in_sums,
    truncated_noise_in_sums,
    half_the_coordinates_mirror_the_others,
    only_what_is_not_zero_is_noised,
    noise_follows_the_value,
    smoothed_noise,
    noise_shared_by_silos,
    noise_shared_by_mechanisms,
    rounds_reuse_the_first_rounds_noise,
    popularitys_rounds_share_noise,
    same_keystream_after_a_fork,
)
