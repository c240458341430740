"""A sweep's file: what is wrong names file, key and value; the keys of trials follow what shapes them."""

from pathlib import Path

import pytest

from experiments.sweeps.grid import load_sweep, trials
from experiments.sweeps.spec import SweepSpec
from recsys.errors import ConfigError

SHIPPED = sorted((Path(__file__).parents[3] / "experiments" / "configs" / "sweeps").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_are_sound(path: Path) -> None:
    spec = load_sweep(path)
    assert spec.name == path.stem
    assert spec.data.source == "simulated"
    assert len(trials(spec, source="")) == spec.seeds * len(next(iter(spec.grid.values())))


def test_there_are_sweeps_over_budget_silos_and_customers() -> None:
    assert {path.stem for path in SHIPPED} >= {"epsilon", "silos", "customers"}


def test_the_simulated_world_is_the_default() -> None:
    assert SweepSpec(name="x").data.source == "simulated"


WRONG = [
    ("name = [", "not valid TOML"),
    ('nam = "x"', "key 'name' is missing"),
    ('name = "x"\nmethods = ["magic"]', "key 'methods'.*'magic' is unknown; use some of private"),
    ('name = "x"\nmethods = ["ease"]', "'ease' is not measured on data of source 'simulated'"),
    (
        'name = "x"\n[data]\nsource = "folder"\nprotocol = "magic"',
        r"key 'data\.folder\.protocol', value 'magic'",
    ),
    ('name = "x"\nmetrics = ["recall"]', "key 'metrics'.*'recall' is unknown"),
    ('name = "x"\nseeds = 0', "key 'seeds', value 0"),
    ('name = "x"\n[data]\nsource = "simulated"\npersons = 0', r"key 'data\.simulated\.persons', value 0"),
    ('name = "x"\n[data]\nsource = "web"', "key 'data'"),
    ('name = "x"\n[grid]\nepsilon = []', r"key 'grid\.epsilon'"),
    ('name = "x"\n[grid]\nepsilon = [1.0, 1.0]', "axis 'epsilon' has a value twice"),
    ('name = "x"\n[grid]\nepsilon = [1.0, -1.0]', r"epsilon = -1\.0.*key 'privacy\.epsilon', value -1\.0"),
    ('name = "x"\n[grid]\n"towers.stepps" = [3]', r"towers\.stepps = 3.*unknown key 'towers\.stepps'"),
    ('name = "x"\n[grid]\ncustomers = [10, 0]', r"key 'grid\.customers', value 0"),
    ('name = "x"\n[training]\nseed = 3', "the sweep itself gives 'seed'"),
    ('name = "x"\n[training.towers]\nsteps = "many"', r"key 'towers\.steps', value 'many'"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[words for _, words in WRONG])
def test_errors_name_file_key_and_value(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"broken\.toml: .*{words}"):
        load_sweep(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file"):
        load_sweep(tmp_path / "nowhere.toml")


def test_data_without_the_axis_say_so(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('name = "x"\n[data]\nsource = "silos"\nfederation = "f.toml"\n[grid]\ncustomers = [10]')
    with pytest.raises(ConfigError, match=r"key 'grid\.customers', value 10: .*source 'silos'"):
        load_sweep(path)


def spec(**changes: object) -> SweepSpec:
    return SweepSpec(**{"name": "x", "grid": {"epsilon": [1.0, 2.0]}, "seeds": 2} | changes)


def test_trials_are_all_cells_with_all_seeds_one_of_each_cell_first() -> None:
    found = trials(spec(), source="")
    assert [(trial.cell["epsilon"], trial.number) for trial in found] == [(1, 0), (2, 0), (1, 1), (2, 1)]
    assert [trial.config.privacy.epsilon for trial in found] == [1, 2, 1, 2]
    assert found[0].seed == found[1].seed != found[2].seed
    assert len({trial.key for trial in found}) == len(found)


def test_a_trials_key_follows_what_shapes_it_and_nothing_else() -> None:
    before = [trial.key for trial in trials(spec(), source="")]
    assert [t.key for t in trials(spec(seeds=3, grid={"epsilon": [1.0, 2.0, 4.0]}), source="")][:2] == before[
        :2
    ]
    assert [t.key for t in trials(spec(name="y", training={"threads": 7}), source="here")] == before
    others = (
        {"seed": 1},
        {"sample": 10},
        {"data": {"source": "simulated", "persons": 999}},
        {"training": {"towers": {"steps": 3}}},
        {"methods": ["popularity"]},
    )
    for changes in others:
        assert not set(before) & {trial.key for trial in trials(spec(**changes), source="")}
