"""Study files, seeds, and the guards around research data."""

from pathlib import Path

import pytest

from experiments.seeded import run_seeds
from experiments.spec import load_spec
from experiments.study import prepare
from recsys.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "experiments" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_studies_are_sound(path: Path, tmp_path: Path) -> None:
    spec = load_spec(path)
    assert spec.name == path.stem
    assert spec.training_config(federation=tmp_path, output=tmp_path).privacy.delta == 1e-6


def test_errors_name_file_key_and_value(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    with pytest.raises(ConfigError, match=r"study\.toml: no such study"):
        load_spec(study)
    study.write_text("name = [")
    with pytest.raises(ConfigError, match="not readable as TOML"):
        load_spec(study)
    study.write_text('name = "x"\n[data]\nsource = "simulated"\npersons = 0\n')
    with pytest.raises(ConfigError, match=r"key 'data\.simulated\.persons', value 0"):
        load_spec(study)


def test_real_data_need_a_confirmation_and_a_folder(tmp_path: Path) -> None:
    tafeng = CONFIGS / "tafeng.toml"
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        run_seeds(tafeng, data=tmp_path, seeds="0", research_data=False)
    with pytest.raises(ConfigError, match="write whole numbers"):
        run_seeds(tafeng, data=tmp_path, seeds="one", research_data=True)
    with pytest.raises(ConfigError, match="give the folder that holds it with --data"):
        prepare(load_spec(tafeng), seed=0, data=None, work=tmp_path)
