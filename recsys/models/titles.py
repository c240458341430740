"""What the names of items have in common: vectors from the public catalogue alone, so nothing is spent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

WORD = re.compile(r"[^\W_]+")


def title_vectors(titles: Sequence[str], width: int) -> NDArray[np.float32]:
    """Vectors whose products come near the cosine of two titles' weighted words; float32 [n, at most width].

    A word weighs log(titles / titles with it) + 1 (Sparck Jones 1972); words of a single title say nothing of
    another and are left out. A title's weights have norm 1. The vectors are the leading singular directions
    (Deerwester et al. 1990) less the mean title, so that what all items share counts for nobody. An item
    without a title that shares words has a vector of zeros.

    Guarantee: a function of the public catalogue, the same on neighbouring data sets.
    """
    weights = _weights([sorted(set(WORD.findall(title.lower()))) for title in titles])
    width = min(width, min(weights.shape) - 1)
    if width < 1:
        return np.zeros((len(titles), 0), np.float32)
    # A fixed start makes the result a function of the titles.
    left, strengths, _ = svds(weights, k=width, v0=np.ones(min(weights.shape)))
    vectors = left * strengths
    named = np.diff(weights.indptr) > 0
    vectors[named] -= vectors[named].mean(axis=0)
    vectors[~named] = 0.0
    return np.asarray(vectors, np.float32)


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
