"""The FAISS index over the published vectors, and the exact search it is tested against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from recsys.errors import BundleError

EXACT_LIMIT = 200_000
"""Up to this many items the index is flat: exact, and under a millisecond per query at 100,000 items of 64
columns. An approximate index (IVF, HNSW) pays only beyond it, and would have to state its recall."""

_REMEDY = "publish the bundle again"


@dataclass(frozen=True)
class ItemIndex:
    """Inner-product index over [v_j ; log pi_j]; searched with [u ; 1] its order is log pi_j + u . v_j."""

    faiss_index: Any

    def __len__(self) -> int:
        return int(self.faiss_index.ntotal)

    @property
    def columns(self) -> int:
        """Length of a query, one more than that of a vector."""
        return int(self.faiss_index.d)

    def search(
        self, query: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """The n best items of one query, best first, fewer if fewer are there or allowed.

        query: float32 [columns]; allowed: bool [n_items], None for all. Returns int64 [<= n].
        """
        parameters = None if allowed is None else _restricted_to(allowed)
        _, found = self.faiss_index.search(query[None, :], min(n, len(self)), params=parameters)
        items: NDArray[np.int64] = found[0]
        return items[items >= 0] if allowed is not None else items

    def rows(self) -> NDArray[np.float32]:
        """The rows as the index holds them; float32 [n_items, columns]."""
        return np.asarray(self.faiss_index.reconstruct_n(0, len(self)), np.float32)

    def to_bytes(self) -> bytes:
        """FAISS's own file format."""
        return bytes(faiss.serialize_index(self.faiss_index).tobytes())

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "index.faiss") -> ItemIndex:
        """Read an index; the bytes must have been checked against a hash before. Raises BundleError."""
        try:
            index = faiss.deserialize_index(np.frombuffer(data, np.uint8))
        except RuntimeError:
            raise BundleError(f"{where}: not a FAISS index; {_REMEDY}") from None
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise BundleError(f"{where}: not an inner-product index; {_REMEDY}")
        return cls(_single_threaded(index))


def build_index(vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> ItemIndex:
    """The index of a bundle. vectors: float32 [n, d]; log_popularity: float32 [n], natural logarithms."""
    index = faiss.IndexFlatIP(vectors.shape[1] + 1)
    index.add(np.ascontiguousarray(with_popularity(vectors, log_popularity)))
    return ItemIndex(_single_threaded(index))


def with_popularity(vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The indexed rows [v_j ; log pi_j]; float32 [n, d + 1]."""
    return np.concatenate([vectors, log_popularity[:, None]], axis=1, dtype=np.float32)


def exact_search(
    rows: NDArray[np.float32], query: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """What `ItemIndex.search` must find, in plain numpy; rows: float32 [n_items, columns]."""
    scores = rows.astype(np.float64) @ query
    order = np.argsort(-scores, kind="stable")
    if allowed is not None:
        order = order[allowed[order]]
    return order[:n]


def _restricted_to(allowed: NDArray[np.bool_]) -> Any:
    wrapped: Any = faiss  # its type stubs do not know the Python conveniences
    selector = wrapped.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    return wrapped.SearchParameters(sel=selector)


def _single_threaded(index: Any) -> Any:
    """One query is too small to share: two threads made it eight times slower."""
    faiss.omp_set_num_threads(1)
    return index
