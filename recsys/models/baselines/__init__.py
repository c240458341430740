"""Published non-private methods that a private model has to beat; one file each, formula and source."""

from recsys.models.baselines.own_and_popular import (
    OwnAndPopular,
    personal_ranker,
    popularity_ranker,
    rank_sparse,
)

__all__ = ["OwnAndPopular", "personal_ranker", "popularity_ranker", "rank_sparse"]
