"""What the names and numbers of items have in common: public vectors, so nothing is spent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"[0-9]+")
RANGE, SHIFTS = 10, 5
LEAST_ATTENTION = 0.1  # of an average item's: items that nobody bought are not lost


def title_vectors(
    titles: Sequence[str],
    width: int,
    *,
    ids: Sequence[str] = (),
    numbers: float = 0.0,
    popularity: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Vectors whose products come near how alike items' names are; float32 [n, at most width].

    How alike: the cosine of two titles' weighted words, plus `numbers` times that of the ranges that the
    items' numbers fall in, as shops number what belongs together in a row. A word weighs
    log(titles / titles with it) + 1 (Sparck Jones 1972); words of a single title say nothing of another and
    are left out. Weights have norm 1. The vectors are projections on the leading singular directions
    (Deerwester et al. 1990) less the mean, so that what all items share counts for nobody. With popularity
    the directions are those that matter for what is bought: rows weigh its square root. An item that shares
    nothing has a vector of zeros.

    ids: item ids [n], needed for `numbers` above 0; popularity: published probabilities [n]

    Guarantee: a function of the public catalogue and published popularity: it spends nothing.
    """
    weights = _weights([sorted(set(WORD.findall(title.lower()))) for title in titles])
    if numbers > 0.0:
        ranges = _weights([_ranges(item) for item in ids])
        weights = sp.csr_matrix(sp.hstack([weights, np.sqrt(numbers) * ranges]))
    width = min(width, min(weights.shape) - 1)
    if width < 1:
        return np.zeros((len(titles), 0), np.float32)
    rows = weights
    if popularity is not None:
        attention = np.sqrt(popularity / popularity.mean() + LEAST_ATTENTION)
        rows = sp.csr_matrix(weights.multiply(attention[:, None]))
    # A fixed start makes the result a function of the arguments.
    _, _, directions = svds(rows, k=width, v0=np.ones(min(weights.shape)))
    vectors = weights @ directions.T
    known = np.diff(weights.indptr) > 0
    vectors[known] -= vectors[known].mean(axis=0)
    return np.asarray(vectors, np.float32)


def _ranges(item: str) -> list[str]:
    """Names of the `SHIFTS` overlapping ranges of `RANGE` numbers that the number an id begins with is in.

    Two numbers share the more of them the nearer they are: 1 - distance / RANGE (Albus 1975).
    """
    found = NUMBER.match(item)
    if found is None:
        return []
    number = int(found.group())
    return [f"{shift}:{(number + shift * RANGE // SHIFTS) // RANGE}" for shift in range(SHIFTS)]


def _weights(words: Sequence[Sequence[str]]) -> sp.csr_matrix:
    """Weighted words of every title, rows of norm 1 or empty; float64 [titles, words of two or more]."""
    counts = Counter(word for title in words for word in title)
    known = {word: column for column, word in enumerate(sorted(w for w, n in counts.items() if n > 1))}
    named = max(sum(bool(title) for title in words), 1)
    columns = [[known[word] for word in title if word in known] for title in words]
    offsets = np.concatenate(([0], np.cumsum([len(title) for title in columns]))).astype(np.int64)
    flat = np.array([column for title in columns for column in title], np.int64)
    rarity = np.array([np.log(named / counts[word]) + 1.0 for word in known])
    matrix = sp.csr_matrix((rarity[flat], flat, offsets), shape=(len(words), len(known)))
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix.data /= np.repeat(norms, np.diff(offsets))
    return matrix
