from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.models.pair_sums import CELLS_AT_ONCE
from tests.recsys.histories_builder import make_catalogue
from training.config import Shares, TrainingConfig
from training.config_file import load_config, parse_config
from training.plan import left_out
from training.sections import MOST_PAIRED


def test_defaults_are_complete_and_shares_add_up() -> None:
    config = load_config(None)
    assert config.privacy.epsilon == 4
    assert sum(config.privacy.shares.as_dict().values()) == pytest.approx(1)


def test_a_file_then_overrides_then_options(tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("seed = 3\n[towers]\nsteps = 7\nembedding_dim = 8\n")
    config = load_config(file, ["towers.steps=9", "model_name=shop"], {"output": tmp_path, "quorum": None})
    assert (config.seed, config.towers.steps, config.towers.embedding_dim) == (3, 9, 8)
    assert (config.model_name, config.output, config.quorum) == ("shop", tmp_path, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[towers]\nsteps = 0\n", "key 'towers.steps', value 0"),
        ("[towers]\nstep = 3\n", "unknown key 'towers.step'"),
        ("[privacy]\nepsilon = nan\n", "key 'privacy.epsilon', value nan"),
        ("[privacy.shares]\ntowers = 0.9\n", "add up to 1.4"),
        ("seed = [\n", "not readable as TOML"),
    ],
)
def test_errors_name_file_key_and_value(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "train.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"train\.toml") as error:
        load_config(file)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_wrong_override_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="write key=value"):
        load_config(None, ["towers.steps"])
    with pytest.raises(ConfigError, match="is a value, not a section"):
        load_config(None, ["seed=1", "seed.x=2"])


def test_identity_follows_what_shapes_the_result_only() -> None:
    base = TrainingConfig()
    assert base.identity() == parse_config({"output": "elsewhere", "threads": 1}, source="t").identity()
    assert base.identity() != parse_config({"seed": 1}, source="t").identity()


def test_silos_are_told_no_number_that_the_plan_has() -> None:
    told = TrainingConfig().silo_settings(ordered=True).model_dump()
    assert not {"steps", "sampling_rate", "clip_norm", "learning_rate"} & set(told["towers"])
    assert "privacy" not in told


@given(st.floats(0.01, 0.5), st.floats(0.0, 0.4))
def test_leaving_a_mechanism_out_keeps_the_proportions_of_the_rest(
    popularity: float, intervals: float
) -> None:
    shares = Shares(
        popularity=popularity, copurchase=0, intervals=intervals, towers=1 - popularity - intervals
    )
    rest = shares.without("intervals").as_dict()
    assert sum(rest.values()) == pytest.approx(1)
    assert "intervals" not in rest
    assert rest["towers"] / rest["popularity"] == pytest.approx(shares.towers / popularity)


def test_a_share_for_season_needs_one_for_rhythm() -> None:
    shares = {"popularity": 0.1, "copurchase": 0.3, "season": 0.1, "towers": 0.5}
    with pytest.raises(ConfigError, match="season needs one for rhythm"):
        parse_config({"privacy": {"shares": shares | {"intervals": 0.0}}}, source="t")
    with_rhythm = {**shares, "intervals": 0.0, "rhythm": 0.1, "copurchase": 0.2}
    assert parse_config({"privacy": {"shares": with_rhythm}}, source="t").privacy.shares.season == 0.1
    for wrong in ({"years": 0}, {"years": 6}, {"full_days": 0}, {"full_days": float("nan")}):
        with pytest.raises(ConfigError, match=r"season\.(years|full_days)"):
            parse_config({"season": wrong}, source="t")


def test_what_is_left_out_is_said_with_the_reason() -> None:
    several, few = (make_catalogue([f"c{i % n}" for i in range(8)]) for n in (8, 3))
    known = parse_config({"until": "2026-06-29T00:00:00Z"}, source="t")
    assert left_out(known, several, timestamps=True) == {}
    assert "fewer than 4 categories" in left_out(known, few, timestamps=True)["season"]
    assert set(left_out(known, make_catalogue([""] * 8), timestamps=True)) == {"season", "followups"}
    unknown = left_out(TrainingConfig(), several, timestamps=True)
    assert set(unknown) == {"rhythm", "season", "demand"}
    assert "set 'until' or 'rhythm.as_of'" in unknown["season"]
    assert "no silo's interactions have timestamps" in left_out(known, several, timestamps=False)["season"]


def test_data_without_order_are_read_as_sets_everywhere() -> None:
    told = TrainingConfig().silo_settings(ordered=False).sequences
    assert (told.ordered, told.decay) == (False, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "[popularity]\nmax_items = 10001\n",
        "[copurchase]\nmax_items = 1001\n",
        "[sequences]\nmax_items = 1001\n",
        "[popularity.head]\nitems = 1000000000\n",
    ],
)
def test_what_one_customer_takes_of_memory_is_bounded_in_public(tmp_path: Path, text: str) -> None:
    file = tmp_path / "train.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="items"):
        load_config(file)
    assert MOST_PAIRED**2 <= CELLS_AT_ONCE, "the pairs of one customer fit in a chunk"
