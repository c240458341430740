"""Matrix factorisation of implicit feedback (Hu, Koren and Volinsky 2008) by the `implicit` library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import indicators


@dataclass(frozen=True)
class ImplicitAls:
    """scores = x_u Y', with x_u solved for the given history alone, so new customers are no special case.

    model: a fitted `implicit.als.AlternatingLeastSquares`
    """

    model: Any

    @classmethod
    def fit(
        cls,
        histories: Histories,
        n_items: int,
        *,
        factors: int = 64,
        regularization: float = 0.05,
        alpha: float = 10.0,
        iterations: int = 15,
        seed: int = 0,
        threads: int = 1,
    ) -> ImplicitAls:
        """alpha: confidence of a purchase against none; to be tuned on validation."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        # More BLAS threads than one slow the library down, and it says so in a warning for every model.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=factors,
                regularization=regularization,
                alpha=alpha,
                iterations=iterations,
                num_threads=threads,
                random_state=seed,
            )
            model.fit(indicators(histories, n_items), show_progress=False)
        return cls(model)

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        from threadpoolctl import threadpool_limits

        shown = indicators(histories, len(self.model.item_factors))
        with threadpool_limits(1, "blas"):
            users = self.model.recalculate_user(np.arange(len(histories)), shown)
        return np.asarray(users @ self.model.item_factors.T, np.float32)
