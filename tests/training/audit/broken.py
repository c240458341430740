"""Broken sources of noise, for audits that have to notice them."""

import numpy as np

from recsys.privacy.mechanisms import SecureNoise


class Halved(SecureNoise):
    """Half the noise that it is asked for."""

    def normal(self, shape, std):
        return super().normal(shape, std / 2)


class Quartered(SecureNoise):
    """A quarter of the noise that it is asked for."""

    def normal(self, shape, std):
        return super().normal(shape, std / 4)


class Silent(SecureNoise):
    """No noise."""

    def normal(self, shape, std):
        return np.zeros(shape)
