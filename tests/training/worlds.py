"""What tests of runs change in their world, and what its silos were charged for."""

from collections.abc import Callable
from pathlib import Path

from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from training.config import TrainingConfig

Configured = Callable[..., TrainingConfig]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit_silos(world: Path, old: str, new: str, count: int = 3) -> None:
    for folder in sorted((world / "silos").iterdir())[:count]:
        edit(folder / "silo.toml", old, new)


def charges(world: Path) -> dict[str, list[str]]:
    silos = FederationConfig.load(world / "federation.toml").silo_configs()
    ledgers = {silo.name: Ledger(silo.ledger) for silo in silos if silo.ledger.exists()}
    return {
        name: [str(row.details["mechanism"]) for row in ledger.rows() if row.kind == "reserve"]
        for name, ledger in ledgers.items()
    }
