"""The coordinator's Flower app, for `flwr run`: the same run as `thousandfaces train`, over a network."""

from __future__ import annotations

import logging
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from recsys.errors import ConfigError
from training.config_file import load_config
from training.coordinator import coordinate

app = ServerApp()
_log = logging.getLogger(__name__)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train with the nodes of the grid; the run's configuration names `federation`, `config` and `output`."""
    settings = context.run_config
    if not settings.get("federation"):
        raise ConfigError(
            "the run has no 'federation' setting; give the path of federation.toml with --run-config"
        )
    options = {"federation": Path(str(settings["federation"])), "output": _path(settings.get("output"))}
    config = load_config(_path(settings.get("config")), (), options)
    resume = bool(settings.get("resume", True))
    coordinate(grid, config, progress=_logged, resume=resume)


def _path(value: object) -> Path | None:
    return Path(str(value)) if value else None


def _logged(stage: str, done: int, total: int) -> None:
    _log.info("%s %d/%d", stage, done, total)
