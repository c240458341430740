"""Items like an item: cosine of the published vectors, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SimilarItems:
    """Unit vectors of all items, float32 [n_items, d]; an item without a vector is like nothing."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)

    def to(self, item: int, k: int, allowed: NDArray[np.bool_]) -> list[tuple[int, float]]:
        """The k most alike among `allowed` (bool [n_items]) with their cosine, best first; ties by index."""
        cosines = self._units @ self._units[item]
        cosines[~allowed] = -np.inf
        cosines[item] = -np.inf
        order = np.lexsort((np.arange(len(cosines)), -cosines))[:k]
        return [(int(other), float(cosines[other])) for other in order if cosines[other] > 0]
