"""A bundle's arrays, prepared once, and the stages run over them: profile -> candidates -> scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.data.history import Histories
from recsys.features.sequences import Sequences, encode
from recsys.recommend import stages
from recsys.recommend.encoder import UserEncoder
from recsys.recommend.stages import Profile, Scored
from recsys.recommend.types import Components, Query, no_history

CHUNK = 512
"""Customers encoded at once: 512 x 50 items x 64 columns of float32 are 6.5 MB."""

NO_ITEMS = np.zeros(0, np.int64)


class Scorer:
    """Candidates and scores of one bundle, with the parts of the score that are switched on.

    popularity: float32 [n_items], log pi - max log pi
    columns:    float32 [d], 1 for the columns of the vectors in use, 0 for those of parts switched off
    """

    def __init__(self, bundle: Bundle, components: Components) -> None:
        """Raises BundleError if the user tower cannot be loaded."""
        self.bundle, self.components = bundle, components
        self.popularity: NDArray[np.float32] = bundle.log_popularity - bundle.log_popularity.max()
        self.columns = _columns(bundle, components)
        self._prior = self.popularity * np.float32(components.popularity)
        self._last = np.array([components.popularity], np.float32)
        self._sequence = bundle.manifest.sequence.config()
        self._blend = bundle.manifest.blend
        self._encoder = UserEncoder(bundle.user_tower, len(self.columns))
        self.anonymous = next(self.profiles(no_history()))

    @property
    def n_items(self) -> int:
        """Size of the vocabulary."""
        return len(self.popularity)

    def features(self, histories: Histories) -> Sequences:
        """What the encoder is given for each customer."""
        return encode(histories, self._sequence)

    def user_vectors(self, sequences: Sequences) -> NDArray[np.float32]:
        """User vectors, zero in the columns switched off; float32 [n, d]. Raises EncoderError."""
        return self._encoder.encode(sequences) * self.columns

    def profiles(self, histories: Histories, *, encoded: bool = True) -> Iterator[Profile]:
        """The profile of every customer; without user vectors unless `encoded`. Raises EncoderError."""
        for start in range(0, len(histories), CHUNK):
            part = histories
            if len(histories) > CHUNK:
                part = histories.select(np.arange(start, min(start + CHUNK, len(histories))))
            sequences = self.features(part)
            if encoded:
                users = self.user_vectors(sequences)
            else:
                users = np.zeros((len(part), len(self.columns)), np.float32)
            yield from stages.profiles(
                part, sequences, users, self._blend.own_decay if self.components.own_history else None
            )

    def score(self, query: Query, profile: Profile) -> Scored:
        """The candidates of a query with their scores; enough of them that the k best are among them."""
        gains = stages.context_lifts(
            self.n_items, query.context_items, self.bundle.neighbours, self.bundle.lifts
        )
        blocked = stages.blocked(query, profile)
        want = query.k + len(blocked) + len(profile.own_items)
        groups: list[NDArray[Any]] = [self._search(profile, want, query.candidates), profile.own_items]
        if gains is not None:
            groups.append((gains > 1.0).nonzero()[0])
        return self.blend(stages.choose(self.n_items, groups, blocked, query.candidates), profile, gains)

    def blend(
        self, items: NDArray[np.int64], profile: Profile, gains: NDArray[np.float32] | None = None
    ) -> Scored:
        """The scores of these items (ascending, distinct), by the formula of the bundle."""
        logits = stages.logits(items, profile.user, self.bundle.vectors, self._prior)
        return stages.blend(items, logits, self._prior, profile, self._blend, gains)

    def _search(self, profile: Profile, want: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        query = np.concatenate([profile.user, self._last])
        if not query.any():  # nothing is known and nothing is published to rank by
            return NO_ITEMS
        return self.bundle.index.search(query, want, allowed)


def _columns(bundle: Bundle, components: Components) -> NDArray[np.float32]:
    columns = np.ones(bundle.vectors.shape[1], np.float32)
    for name, span in bundle.manifest.blocks.items():
        columns[slice(*span)] = float(getattr(components, name, True))
    return columns
