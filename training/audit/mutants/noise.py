"""Builds whose noise is missing, too small, or drawn a second time."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from recsys.privacy.mechanisms import SecureNoise
from training.audit.mutants.registry import Replacement, mutants_of
from training.engine import Engine, _NoisingOptimizer
from training.node import Node


def no_noise() -> Iterator[Replacement]:
    """Noise is drawn and multiplied by zero: a switch for debugging was left on."""
    yield SecureNoise, "normal", _scaled(0.0)


def noise_divided_by_1_25() -> Iterator[Replacement]:
    """Noise is a fifth too small: another convention for sigma."""
    yield SecureNoise, "normal", _scaled(1 / 1.25)


def noise_halved() -> Iterator[Replacement]:
    """Noise is half of what it should be: calibrated for replacing a customer, halved for removing one."""
    yield SecureNoise, "normal", _scaled(0.5)


def noise_rounded_to_one_digit() -> Iterator[Replacement]:
    """Noise is what a table for readers says: rounded down to one digit."""
    real = SecureNoise.normal

    def normal(self: SecureNoise, shape: Any, std: float) -> Any:
        digit = 10.0 ** math.floor(math.log10(std))
        return real(self, shape, std) * (math.floor(std / digit) * digit / std)

    yield SecureNoise, "normal", normal


def _scaled(factor: float) -> Callable[..., Any]:
    real = SecureNoise.normal

    def normal(self: SecureNoise, *args: Any, **kwargs: Any) -> Any:
        return real(self, *args, **kwargs) * factor

    return normal


def noise_per_micro_batch() -> Iterator[Replacement]:
    """Every physical batch is noised with its share of the plan's noise; standard deviations do not add."""
    real = Engine._step

    def step(self: Engine, tower: Any, batch: Any, plan: Any, *args: Any, **kwargs: Any) -> Any:
        chunks = list(batch.chunks(self.physical_batch))
        share = replace(plan, noise_multiplier=plan.noise_multiplier / len(chunks))
        parameters = tower.table.detach().numpy().ravel()
        steps = [
            real(self, self.objective.tower(parameters), chunk, share, *args, **kwargs) for chunk in chunks
        ]
        for later in steps[1:]:
            steps[0].params[0].grad += later.params[0].grad
        return steps[0]

    yield Engine, "_step", step


def empty_batch_skipped() -> Iterator[Replacement]:
    """A step without customers sends zeros: nothing was computed, so nothing seems to need noise."""
    real = Engine._step

    def step(self: Engine, tower: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        optimizer = real(self, tower, batch, *args, **kwargs)
        if len(batch) == 0:
            optimizer.params[0].grad.zero_()
        return optimizer

    yield Engine, "_step", step


def one_table_without_noise() -> Iterator[Replacement]:
    """The last rows of the towers' table, those of the price tiers, were forgotten."""
    real, tiers = _NoisingOptimizer.add_noise, 5

    def add_noise(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        for parameter in self.params:
            parameter.grad[-tiers:] = parameter.summed_grad[-tiers:]

    yield _NoisingOptimizer, "add_noise", add_noise


def noise_reseeded_per_round() -> Iterator[Replacement]:
    """Every noise source starts from one configured key, for runs that can be repeated."""
    key = os.urandom(48)

    def rekey(self: Any) -> None:
        _key(self, key)

    yield SecureNoise, "_rekey", rekey


def noise_state_restored_on_resume() -> Iterator[Replacement]:
    """The noise's state is saved with each round, and a round that is redone continues from it."""
    saved: dict[tuple[str, ...], bytes] = {}
    place = threading.local()
    real = Node.release

    def release(self: Node, request: Any, *args: Any, **kwargs: Any) -> Any:
        asked = (request.text("run_id"), request.text("stage"), str(request.number("round")))
        place.now = (self.config.name, *asked)
        try:
            return real(self, request, *args, **kwargs)
        finally:
            place.now = None

    def rekey(self: Any) -> None:
        now = getattr(place, "now", None)
        _key(self, os.urandom(48) if now is None else saved.setdefault(now, os.urandom(48)))

    yield Node, "release", release
    yield SecureNoise, "_rekey", rekey


def _key(noise: Any, key: bytes) -> None:
    noise._stream = Cipher(AES256(key[:32]), CTR(key[32:])).encryptor()
    noise._process = os.getpid()


MUTANTS = mutants_of(
    no_noise,
    noise_divided_by_1_25,
    noise_halved,
    noise_rounded_to_one_digit,
    noise_per_micro_batch,
    empty_batch_skipped,
    one_table_without_noise,
    noise_reseeded_per_round,
    noise_state_restored_on_resume,
)
