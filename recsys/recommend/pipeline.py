"""From a customer's history to a ranking with reasons: the one public call, and the same stages in batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.bundle.index import build_index
from recsys.data.history import Histories
from recsys.errors import ConfigError, UnknownItemError
from recsys.features.sequences import Sequences
from recsys.recommend import stages
from recsys.recommend.encoder import EncoderError
from recsys.recommend.reasons import Explainer
from recsys.recommend.scorer import Scorer
from recsys.recommend.stages import Profile, Scored
from recsys.recommend.types import Components, Degraded, Kind, Query, Ranking, Recommended, no_history
from recsys.seeds import rng


class Recommender:
    """A loaded bundle, ready to answer. Holds no customer's data, and calls do not change it.

    score_j = own_j * exp(own_appeal * a_j) + weight * n**activity * exp(min(a_j, cap)), where a_j is
    log pi_j - max log pi + u . v_j (of own items, only `own_similarity` of u . v_j), and own_j and the number
    n of baskets come from the customer's own purchases. Items that the customer has not bought are
    found by the FAISS index over the published vectors (and, where the scene has context items, among their
    neighbours).
    """

    def __init__(self, bundle: Bundle, components: Components | None = None) -> None:
        """components: parts of the score to leave out, for ablations. Raises BundleError."""
        self.bundle = bundle
        self.components = components or Components()
        self._scorer = Scorer(bundle, self.components)
        self._explainer = Explainer(bundle, bundle.history_table * self._scorer.columns)
        lengths = np.linalg.norm(bundle.vectors, axis=1, keepdims=True)
        self._directions = bundle.vectors / np.where(lengths > 0.0, lengths, 1.0)

    @property
    def n_items(self) -> int:
        """Size of the vocabulary."""
        return self._scorer.n_items

    def recommend(self, query: Query) -> Ranking:
        """The k best items with reasons; `degraded` says what was missing.

        Raises UnknownItemError or ConfigError if the query does not fit the vocabulary.
        """
        self._check(query)
        profile, degraded = self._profile(query)
        scored = self._scorer.score(query, profile)
        top = stages.best(scored, self._scorer.popularity, query.k)
        if len(top) < query.k:
            degraded = (*degraded, Degraded.FEW_CANDIDATES)
        return Ranking(self._explained(query, profile, scored, top), degraded)

    def rank(
        self,
        histories: Histories,
        k: int,
        *,
        new_only: bool = False,
        candidates: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int32]:
        """The k best items of every customer, by the stages of `recommend`; int32 [n, k], -1 at the end.

        candidates: bool [n_items], the items that may appear; None means all.
        """
        ranked = np.full((len(histories), k), -1, np.int32)
        question = Query(no_history(), k, new_only=new_only, candidates=candidates)
        for row, profile in enumerate(self._scorer.profiles(histories)):
            scored = self._scorer.score(question, profile)
            top = scored.items[stages.best(scored, self._scorer.popularity, k)]
            ranked[row, : len(top)] = top
        return ranked

    def features(self, histories: Histories) -> Sequences:
        """What the encoder is given for each customer."""
        return self._scorer.features(histories)

    def user_vectors(self, histories: Histories) -> NDArray[np.float32]:
        """The user vectors u; float32 [n, d]."""
        return self._scorer.user_vectors(self.features(histories))

    def scores(self, histories: Histories) -> NDArray[np.float64]:
        """The blended score of every item for every customer, without the index; float64 [n, n_items]."""
        scores = np.zeros((len(histories), self.n_items))
        for row, profile in enumerate(self._scorer.profiles(histories)):
            scores[row] = self._scorer.blend(np.arange(self.n_items), profile).scores
        return scores

    def similar(self, item: int, k: int) -> tuple[Recommended, ...]:
        """The k items whose vectors point most nearly the same way (cosine), the item itself left out.

        The reason says so where they are often bought together too.
        """
        self._check(Query(no_history(), k, context_items=(item,)))
        cosine = np.asarray(self._directions @ self._directions[item], np.float64)
        others = np.delete(np.arange(self.n_items), item)
        order = others[np.lexsort((-self._scorer.popularity[others], -cosine[others]))][:k]
        linked = self._explainer.links(np.array([item]), order)[0] > 0.0
        return tuple(
            Recommended(int(j), float(cosine[j]), Kind.NEW, self._explainer.beside(item, bool(link)))
            for j, link in zip(order, linked, strict=True)
        )

    def with_components(self, components: Components) -> Recommender:
        """The same bundle with other parts switched on."""
        return Recommender(self.bundle, components)

    def with_shuffled_vectors(self, seed: int) -> Recommender:
        """The same recommender with the vectors dealt to the wrong items: the test that they matter."""
        vectors = self.bundle.vectors[rng(seed, "shuffled-vectors").permutation(self.n_items)]
        index = build_index(vectors, self.bundle.log_popularity)
        return Recommender(replace(self.bundle, vectors=vectors, index=index), self.components)

    def _profile(self, query: Query) -> tuple[Profile, tuple[str, ...]]:
        if not query.personalised:
            return self._scorer.anonymous, ()
        try:
            profile, degraded = next(self._scorer.profiles(query.history)), ()
        except EncoderError:
            profile = next(self._scorer.profiles(query.history, encoded=False))
            return profile, (Degraded.ENCODER_UNAVAILABLE,)
        return profile, (Degraded.NO_HISTORY,) if profile.empty else degraded

    def _explained(
        self, query: Query, profile: Profile, scored: Scored, top: NDArray[np.int64]
    ) -> tuple[Recommended, ...]:
        items = scored.items[top]
        reasons = self._explainer.reasons(
            items,
            profile,
            query.history,
            query.context_items,
            query.due if query.personalised else {},
            query.next_needs if query.personalised else {},
        )
        bought = set(profile.bought.tolist())
        rows = zip(items.tolist(), scored.scores[top].tolist(), reasons, strict=True)
        return tuple(
            Recommended(item, score, Kind.REPEAT if item in bought else Kind.NEW, reason)
            for item, score, reason in rows
        )

    def _check(self, query: Query) -> None:
        named = [*query.exclude, *query.context_items, 0]
        if query.personalised and len(query.history.items):
            named += [int(query.history.items.min()), int(query.history.items.max())]
        low, high = min(named), max(named)
        if low < 0 or high >= self.n_items:
            raise UnknownItemError(
                f"item index {low if low < 0 else high} is outside the bundle's {self.n_items} items; "
                "translate item ids with the bundle's catalogue"
            )
        if query.candidates is not None and query.candidates.shape != (self.n_items,):
            raise ConfigError(
                f"candidates: a mask of shape {list(query.candidates.shape)} was given for "
                f"{self.n_items} items; give one flag per item of the bundle's catalogue"
            )
