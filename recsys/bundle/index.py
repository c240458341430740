"""The FAISS index over the published vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from recsys.bundle import codes
from recsys.errors import BundleError

SPARE, SPARE_EACH = 32, 3
"""For n items 3 n + 32 candidates are scored again: twice what the worst of 600 customers needed."""
SURE = 4.0
"""The last candidate must lie so many standard deviations of the codes' error below the n-th best item."""
MORE = 4
"""How many times more candidates are taken where that does not hold."""
MOST = 0.25
"""With more candidates than this share of all items, scoring every item costs no more."""
_REMEDY = "publish the bundle again"


@dataclass(frozen=True)
class ItemIndex:
    """Inner-product index over [v_j ; log pi_j]; searched with [u ; 1] its order is log pi_j + u . v_j.

    FAISS finds candidates by codes of four bits (`recsys.bundle.codes`; an eighth of the memory, and scanned
    eight times as fast as the vectors); these are ranked by the vectors themselves. How far codes are off is
    seen on the candidates: unless the last of them is surely worse than the n-th best, more are taken, in the
    end all. So the answer is in practice that of an exact search, whatever the customer and the filter.

    faiss_index: IndexPQFastScan, a code per column; vectors: float32 [n, d]; log_popularity: float32 [n]
    """

    faiss_index: Any
    vectors: NDArray[np.float32]
    log_popularity: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.faiss_index.ntotal)

    @property
    def columns(self) -> int:
        """Length of a query, one more than that of a vector."""
        return int(self.vectors.shape[1]) + 1

    def search(
        self, query: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """The n best items of one query, best first, fewer if fewer are there or allowed; equal ones by id.

        query: float32 [columns]; allowed: bool [n_items], None for all. Returns int64 [<= n].
        """
        share = 1.0 if allowed is None else max(int(np.count_nonzero(allowed)), 1) / len(self)
        wanted, asked = int((SPARE_EACH * n + SPARE) / share), codes.question(query)
        while wanted < MOST * len(self):
            (near,), (found,) = self.faiss_index.search(asked, wanted)
            last, filled = near[-1], found[-1] >= 0  # among equal scores it may leave places empty
            if allowed is not None:
                shown = allowed[found]
                near, found = near[shown], found[shown]
            if filled and len(found) >= n:
                scores = self._scores(found, query)
                if np.partition(scores, len(scores) - n)[-n] > last + _reach(scores - near):
                    return _best(found, scores, n)
            wanted *= MORE
        every = np.arange(len(self)) if allowed is None else allowed.nonzero()[0]
        return _best(every, self._scores(every, query), n)

    def _scores(self, items: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.empty(len(items), np.float32)
        for start in range(0, len(items), codes.ROWS):
            part = items[start : start + codes.ROWS]
            similarity = np.einsum("cd,d->c", self.vectors[part], query[:-1])
            scores[start : start + codes.ROWS] = similarity + query[-1] * self.log_popularity[part]
        return scores

    def to_bytes(self) -> bytes:
        """FAISS's own file format: the codes and their levels, without the vectors."""
        return bytes(faiss.serialize_index(self.faiss_index).tobytes())

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        vectors: NDArray[np.float32],
        log_popularity: NDArray[np.float32],
        where: str = "index.faiss",
    ) -> ItemIndex:
        """Read an index of these vectors; the bytes must have been checked against a hash before.

        Raises BundleError if it is no such index, or one of other vectors.
        """
        try:
            index: Any = faiss.deserialize_index(np.frombuffer(data, np.uint8))
        except RuntimeError:
            raise BundleError(f"{where}: not a FAISS index; {_REMEDY}") from None
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise BundleError(f"{where}: not an inner-product index; {_REMEDY}")
        size, expected = (index.ntotal, index.d), (len(vectors), vectors.shape[1] + codes.STEPS)
        if not isinstance(index, faiss.IndexPQFastScan) or index.pq.ksub != codes.LEVELS:
            raise BundleError(f"{where}: not an index of codes of four bits; {_REMEDY}")
        if size != expected or index.d != index.pq.M:
            held, wanted = (f"{rows} x {columns}" for rows, columns in (size, expected))
            raise BundleError(f"{where}: holds {held} values, expected {wanted}; {_REMEDY}")
        if not _is_over(index, vectors, log_popularity):
            raise BundleError(f"{where}: is not over the published vectors; {_REMEDY}")
        return cls(_single_threaded(index), vectors, log_popularity)


def build_index(vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> ItemIndex:
    """The index of a bundle. vectors: float32 [n, d]; log_popularity: float32 [n], natural logarithms."""
    table = codes.levels(vectors, log_popularity)
    index: Any = faiss.IndexPQFastScan(len(table), len(table), 4, faiss.METRIC_INNER_PRODUCT)
    wrapped: Any = faiss  # its type stubs do not know the Python conveniences
    wrapped.copy_array_to_vector(table.ravel(), index.pq.centroids)
    index.is_trained = True
    for rows in codes.decoded(vectors, log_popularity, table):
        index.add(rows)
    return ItemIndex(_single_threaded(index), vectors, log_popularity)


def _best(items: NDArray[np.int64], scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    return items[np.lexsort((items, -scores))[:n]]


def _reach(error: NDArray[np.float32]) -> float:
    """Above which an error of the codes surely does not come, given those of the candidates."""
    mean = float(error.sum()) / len(error)
    error = error - np.float32(mean)
    return mean + SURE * math.sqrt(float(error @ error) / len(error))


def _is_over(index: Any, vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> bool:
    """Whether every code stands for the level nearest to its value."""
    wrapped: Any = faiss
    table = wrapped.vector_to_array(index.pq.centroids).reshape(index.d, codes.LEVELS)
    start = 0
    for rows in codes.decoded(vectors, log_popularity, table):
        if not np.array_equal(index.reconstruct_n(start, len(rows)), rows):
            return False
        start += len(rows)
    return True


def _single_threaded(index: Any) -> Any:
    """One query is too small to share: two threads made it eight times slower."""
    faiss.omp_set_num_threads(1)
    return index
