import tomllib
from pathlib import Path

from flwr.common.config import validate_config

ROOT = Path(__file__).parents[2]


def test_flower_accepts_the_project_as_an_app() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    valid, errors, _ = validate_config(project, check_module=True, project_dir=ROOT)
    assert (valid, errors) == (True, [])
