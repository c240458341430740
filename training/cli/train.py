"""`thousandfaces train`: one training run over all silos of a federation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.quiet import quiet_libraries
from recsys.words import counted

if TYPE_CHECKING:
    from training.run import TrainingResult

HELP_CONFIG = "A TOML file with what differs from the defaults (epsilon, shares, towers, ...)."
HELP_SET = "Change one setting, for example --set privacy.epsilon=2 --set towers.steps=30. May be repeated."


@click.command()
@click.option(
    "--federation",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="The federation.toml that lists the silos and the public catalogue.  [default: federation.toml]",
)
@click.option("--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help=HELP_CONFIG)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for runs, bundles and the model registry.  [default: .thousandfaces]",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=HELP_SET)
@click.option(
    "--resume/--fresh",
    default=True,
    help="Continue the latest unfinished run of the same configuration (default), or start anew.",
)
@click.option(
    "--research-data",
    is_flag=True,
    default=None,
    help="The data are a public research set: everything written is stamped 'outside the claim'.",
)
@click.option("--by", "requester", metavar="NAME", help="Who asks.  [default: this account's name]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object on stdout.")
def train(
    federation: Path | None,
    config_file: Path | None,
    output: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    research_data: bool | None,
    requester: str | None,
    as_json: bool,
) -> None:
    """Train a federated, differentially private model and register it as 'candidate'.

    Every silo computes on its own data and releases noised sums only; each release is charged in the silo's
    privacy ledger before its noise is drawn. An interrupted run continues where it stopped when the same
    command is given again; work that is redone is charged again.

    Example: thousandfaces train --federation world/federation.toml --set privacy.epsilon=2
    """
    quiet_libraries()
    from training.config_file import load_config
    from training.progress import shown
    from training.run import run_training

    told = {"federation": federation, "output": output, "requester": requester}
    options = {**told, "research_data": research_data}
    config = load_config(config_file, overrides, options)
    with shown() as progress:
        result = run_training(config, progress=progress, resume=resume)
    click.echo(json.dumps(as_record(result)) if as_json else summary(result))


def as_record(result: TrainingResult) -> dict[str, Any]:
    """The run as one JSON object."""
    paths = {"folder": str(result.folder), "bundle": str(result.bundle_folder)}
    return {"run_id": result.run_id, **paths, **result.report}


def summary(result: TrainingResult) -> str:
    """The run in plain words: what it cost whom, where the bundle is, what to do next."""
    report, model = result.report, result.report["model"]
    lines = [
        f"Run {result.run_id} finished in {sum(report['seconds'].values()):.0f} s.",
        "",
        f"Privacy: epsilon {report['person_epsilon_lifetime']:.3f} at delta {report['delta']:g}, for one "
        f"person in up to {counted(report['max_silos_per_person'], 'silo')}, over the lifetime of the "
        "ledgers;",
        f"         by this run alone {report['person_epsilon']:.3f} (promised at most "
        f"{report['target_epsilon']:g}).",
        *_warnings(report),
        "",
        *_table(report["silos"]),
        "",
        f"Bundle:  {result.bundle_folder} (version {report['model_version']})",
        f"Model:   {model['name']} version {model['version']}, alias '{model['alias']}'",
        f"Next:    thousandfaces promote {model['name']} --output {result.folder.parent.parent}",
    ]
    return "\n".join(lines)


def _warnings(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if not report["within_target"]:
        lines.append("Warning: work that was redone was charged again, so more was spent than planned.")
    shortened = report.get("shortened_ledgers", [])  # runs of older releases do not say
    if names := ", ".join(silo for silo in report["unconfirmed_silos"] if silo not in shortened):
        lines.append(
            f"Warning: {names} did not send receipts; counted with the most they can have been charged."
        )
    if names := ", ".join(shortened):
        lines.append(
            f"Warning: the ledger of {names} says less than it said before: replaced or rewritten; counted "
            "with all that is known."
        )
    for mechanism, why in report["left_out"].items():
        lines.append(f"Note: {mechanism} was left out: {why}.")
    for silo, rounds in report["missed_rounds"].items():
        lines.append(f"Warning: {silo} missed {counted(rounds, 'round')}; see its own log.")
    return lines


def _table(silos: Mapping[str, Mapping[str, float]]) -> list[str]:
    width = max(len("silo"), *(len(name) for name in silos))
    head = f"{'silo':<{width}}  epsilon of this run  of its ledger's lifetime"
    rows = [
        f"{name:<{width}}  {spent['epsilon']:>19.3f}  {spent['epsilon_lifetime']:>24.3f}"
        for name, spent in silos.items()
    ]
    return [head, *rows]
