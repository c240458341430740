"""What a caller asks of the recommender and what it answers: frozen values, no framework, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.errors import ConfigError


class Scene(StrEnum):
    """Where the customer meets the recommendations."""

    HOME = "home"
    PRODUCT = "product"
    CART = "cart"
    AFTER_PURCHASE = "after_purchase"
    STORE_VISIT = "store_visit"
    RE_ENGAGEMENT = "re_engagement"
    PUSH = "push"


@dataclass(frozen=True)
class Components:
    """Which parts of the score are switched on; all of them, except in ablations."""

    own_history: bool = True
    popularity: bool = True
    profile: bool = True
    titles: bool = True
    copurchase: bool = True
    towers: bool = True


class Degraded(StrEnum):
    """Codes that say why an answer is less than the full one; they travel in `Ranking.degraded`."""

    NO_HISTORY = "no_history"
    NOT_CONSENTED = "not_consented"
    FEW_CANDIDATES = "few_candidates"
    ENCODER_UNAVAILABLE = "encoder_unavailable"


def no_history() -> Histories:
    """The history of one customer about whom nothing is known (or may be used)."""
    return Histories(
        np.zeros(2, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int8),
        np.zeros(0, np.float32),
        Ordering.TIMESTAMP,
    )


@dataclass(frozen=True)
class Query:
    """One question to the recommender.

    history:       the events of exactly one customer; events of items outside the vocabulary are not in it
    k:             how many items are wanted, at least 1
    exclude:       items that must not appear (already on the page, dismissed, returned)
    personalised:  False answers from public popularity and the scene's context alone; the history is not read
    candidates:    bool [n_items], the items that may appear (assortment, stock); None means all
    now:           Unix seconds (UTC) of the question, for callers; the ranking itself is timeless
    context_items: what the scene is about: the item of a product page, the items in the cart
    new_only:      leave out what the customer has bought before
    due:           by item, why it is needed soon, in words ("Due again about Friday"); changes no score
    next_needs:    by category, why it is needed next, in words; changes no score
    """

    history: Histories
    k: int = 10
    scene: Scene = Scene.HOME
    exclude: frozenset[int] = frozenset()
    personalised: bool = True
    candidates: NDArray[np.bool_] | None = None
    now: int | None = None
    context_items: tuple[int, ...] = ()
    new_only: bool = False
    due: Mapping[int, str] = field(default_factory=dict)
    next_needs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.history) != 1:
            raise ConfigError(
                f"a query is about exactly one customer, got {len(self.history)} histories; select one"
            )
        if self.k < 1:
            raise ConfigError(f"k must be at least 1, got {self.k}; ask for 1 or more items")

    def anonymous(self) -> Query:
        """The same question without the customer: no history, not personalised."""
        return replace(self, history=no_history(), personalised=False, new_only=False, due={}, next_needs={})


class ReasonKind(StrEnum):
    """What a reason rests on."""

    DUE = "due"
    NEXT_NEED = "next_need"
    BOUGHT_BEFORE = "bought_before"
    GOES_WITH = "goes_with"
    TASTE = "taste"
    POPULAR = "popular"


@dataclass(frozen=True)
class Reason:
    """Why an item is shown: from the customer's own events or from published facts only.

    kind: what it rests on; item: the customer's (or the scene's) item behind it, if any; text: a sentence
    """

    kind: ReasonKind
    item: int | None
    text: str


class Kind(StrEnum):
    """Whether the customer has bought the item before."""

    REPEAT = "repeat"
    NEW = "new"


@dataclass(frozen=True)
class Recommended:
    """One recommended item: its vocabulary index, blended score, kind (`Kind`) and reason."""

    item: int
    score: float
    kind: Kind
    reason: Reason


@dataclass(frozen=True)
class Ranking:
    """The answer to one query, best first, no item twice; `degraded` lists what was missing (`Degraded`)."""

    items: tuple[Recommended, ...]
    degraded: tuple[str, ...] = ()

    @property
    def item_indices(self) -> tuple[int, ...]:
        """The items alone, best first."""
        return tuple(recommended.item for recommended in self.items)
