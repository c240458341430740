"""The benchmark of scoring runs on the published shape and says what it measured; nothing is timed here."""

import json
from pathlib import Path

from click.testing import CliRunner

from experiments.benchmarks.scoring import COPURCHASE, LENGTHS, TOWERS, K, bundle_of, customers_of, main
from recsys.recommend.pipeline import Recommender


def test_the_bundle_has_the_published_shape_and_answers() -> None:
    bundle = bundle_of(500)
    assert bundle.manifest.blocks["towers"] == (COPURCHASE, COPURCHASE + TOWERS)
    (customer,) = customers_of(500, 12, 1)
    assert (Recommender(bundle).rank(customer, K) >= 0).all()


def test_every_step_is_reported_for_every_size(tmp_path: Path) -> None:
    file = tmp_path / "scoring.md"
    arguments = ["--items", "300", "--items", "500", "--calls", "10", "--json", "--output", str(file)]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code in (0, 1)  # slow machines are no failure of the code
    timings = json.loads(ended.output)["timings"]
    assert len(timings) == 2 * len(LENGTHS) * 4
    assert all(0.0 < one["median"] <= one["p99"] for one in timings)
    text = file.read_text(encoding="utf-8")
    assert "experiments.benchmarks.scoring --calls 10" in text
    assert "encode, score, top 20" in text
