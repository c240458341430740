"""The secure source passes its audit, and sources that are a little wrong do not."""

import numpy as np
import pytest

from recsys.privacy.mechanisms import SecureNoise
from tests.training.audit.broken import Halved, Silent
from training.audit.source import FALSE_ALARM, TOLERANCE, source_findings


class Uniform(SecureNoise):
    """The right spread and the wrong shape."""

    def normal(self, shape, std):
        return (self.uniform(shape) - 0.5) * std * np.sqrt(12)


class OnePercentLess(SecureNoise):
    """What a wrong constant would do."""

    def normal(self, shape, std):
        return super().normal(shape, 0.99 * std)


class FixedSize(SecureNoise):
    """Batches of one size, as accounted for as Poisson samples in much code."""

    def poisson_sample(self, n, rate):
        return np.random.default_rng().choice(n, round(n * rate), replace=False)


class Favourites(SecureNoise):
    """Some customers more often than others, at the same rate on average."""

    def poisson_sample(self, n, rate):
        coins = self.uniform(n)
        return np.flatnonzero(coins < rate * np.where(np.arange(n) % 2, 1.5, 0.5))


@pytest.mark.evidence
def test_the_secure_source_is_normal_and_its_samples_are_poisson(counted, evidence):
    samples = counted(2000, 20_000)
    findings = source_findings(samples)
    assert len(findings) == 5
    assert all(finding.ok for finding in findings), findings
    evidence(
        "noise audit, 10^6 draws; sampler audit",
        bar=f"sigma within {TOLERANCE:.1%}; p of the Kolmogorov-Smirnov test at least {FALSE_ALARM:g}; "
        f"samples vary as chance allows but for once in {1 / FALSE_ALARM:g} times",
        measured="; ".join(finding.words for finding in findings),
    )


@pytest.mark.parametrize(
    ("noise", "failed"),
    [
        (Halved, {"source.noise"}),
        (Silent, {"source.noise"}),
        (Uniform, {"source.noise"}),
        (OnePercentLess, {"source.noise"}),
        (FixedSize, {"source.sampler"}),
        (Favourites, {"source.sampler"}),
    ],
)
def test_a_source_that_is_wrong_is_named(noise, failed):
    findings = source_findings(2000, noise)
    assert {finding.check for finding in findings if not finding.ok} == failed
