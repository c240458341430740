"""Items that are declared as new are served by what their category sells, and cost no budget."""

from collections.abc import Callable

import numpy as np
import pytest

from recsys.bundle.store import read_bundle
from recsys.errors import UnknownItemError
from recsys.privacy.ledger import Ledger
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Query, no_history
from recsys.silos.config import FederationConfig
from training.config import TrainingConfig
from training.run import run_training


def test_a_declared_item_sells_like_its_category(configured: Callable[..., TrainingConfig]) -> None:
    config = configured()
    catalogue = FederationConfig.load(config.federation).read_catalogue()
    codes, _ = catalogue.category_codes
    new = int(np.flatnonzero(codes == codes[0])[0])
    result = run_training(config.model_copy(update={"new_items": (catalogue.item_ids[new],)}))
    bundle = read_bundle(result.bundle_folder)
    shares = np.exp(bundle.log_popularity.astype(np.float64))
    others = (codes == codes[new]) & (np.arange(len(codes)) != new)
    assert shares[new] == pytest.approx(shares[others].mean(), rel=1e-5)
    only = np.arange(len(codes)) == new
    assert Recommender(bundle).recommend(Query(no_history(), 3, candidates=only)).item_indices == (new,)
    assert result.report["within_target"]


def test_a_new_item_outside_the_catalogue_is_refused_before_anything_is_spent(
    configured: Callable[..., TrainingConfig],
) -> None:
    config = configured().model_copy(update={"new_items": ("no-such-item",)})
    with pytest.raises(UnknownItemError, match="no-such-item"):
        run_training(config)
    for silo in FederationConfig.load(config.federation).silo_configs():
        assert not [row for row in Ledger(silo.ledger).rows() if row.kind == "reserve"]
