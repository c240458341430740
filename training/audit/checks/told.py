"""What MLflow is told of a run, without its database, which takes longer to make than a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training import tracking


@dataclass
class _Client:
    """Takes numbers and settings as MLflow's client does, and keeps them without their times."""

    told: dict[str, object] = field(default_factory=dict)

    def log_batch(
        self, _run_id: str, metrics: Iterable[Any] = (), params: Iterable[Any] = (), tags: Iterable[Any] = ()
    ) -> None:
        self.told |= {f"{metric.key}/{metric.step}": metric.value for metric in metrics}
        self.told |= {one.key: one.value for one in (*params, *tags)}


def recorder(kept: list[Any]) -> Callable[..., Any]:
    """Stands for `record_run`: keeps what MLflow would be told, and the report of which that is made."""

    class Recorded:
        name, version = "recommender", 1

    def record(session: Any, report: Any, curves: Any) -> Any:
        client: Any = _Client()
        tracking._log_numbers(client, "run", session.config, report, curves)
        tags = tracking._tags(session.folder, report)
        kept.append({"report": report, "curves": curves, "config": session.config.identity()})
        kept.append({"tags": tags, "numbers": _placeless(client.told, session.config)})
        return Recorded

    return record


def _placeless(told: Mapping[str, object], config: Any) -> dict[str, object]:
    """The same without the folders of the world and the run, which are new each time."""
    folders = (str(config.output), str(config.federation.parent))

    def cleaned(value: object) -> object:
        if isinstance(value, str):
            for folder in folders:
                value = value.replace(folder, "*")
        return value

    return {name: cleaned(value) for name, value in told.items()}
