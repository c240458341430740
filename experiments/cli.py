"""`thousandfaces demo` and `thousandfaces evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from experiments.demo import DemoResult
    from experiments.storefront import Server


@click.command()
@click.option("--serve/--no-serve", default=True, help="Keep the page up at the end (default), or stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")
@click.option("--persons", type=click.IntRange(min=400), help="Persons in the world.  [default: 40000]")
@click.option("--seed", default=0, show_default=True, help="Another seed is another world of the same kind.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: a free port."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".thousandfaces/demo"),
    show_default=True,
    help="Folder of the demo; emptied first if an earlier demo wrote it.",
)
def demo(serve: bool, as_json: bool, persons: int | None, seed: int, port: int, output: Path) -> None:
    """See the product work end to end on a simulated retail world.

    Five silos (three store groups, two brand owners) with partly shared customers train one private model,
    publish it, serve it, answer for customers, take events, and show what privacy was spent and what quality
    was reached. It takes one to three minutes, and then serves a page until Ctrl-C.
    """
    from recsys.quiet import quiet_libraries

    quiet_libraries()
    from experiments.demo import DemoOptions, run_demo
    from experiments.report import demo_report
    from training.progress import shown

    def stay(result: DemoResult, server: Server) -> None:
        click.echo(json.dumps(result.to_dict()) if as_json else demo_report(result))
        if serve:
            click.echo(f"\nThe page: {server.address}  (stop with Ctrl-C)", err=as_json)
            server.wait()

    options = DemoOptions(output, persons, seed, port if serve else 0)
    with shown() as progress:
        run_demo(options, progress=progress, stay=stay)


@click.command()
@click.argument("study", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds the study's file; simulated worlds need none.",
)
@click.option("--seeds", default="0", show_default=True, help="Seeds, separated by commas.")
@click.option(
    "--research-data",
    is_flag=True,
    help="Confirm that --data is a research set: results are stamped 'outside the claim'.",
)
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write a table here too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def evaluate(
    study: Path, data: Path | None, seeds: str, research_data: bool, results: Path | None, as_json: bool
) -> None:
    """Compare a private model with its parts, popularity, personal top and its non-private twin.

    STUDY is a file such as experiments/configs/tafeng.toml: which data, how many silos, what budget.
    Evaluation reads held-out purchases exactly, so it runs on simulated worlds and research data only.

    Example: thousandfaces evaluate experiments/configs/demo.toml --seeds 0,1,2
    """
    from recsys.quiet import quiet_libraries

    quiet_libraries()
    from experiments.report import evaluation_report
    from experiments.seeded import run_seeds
    from training.progress import shown

    with shown() as progress:
        found = run_seeds(study, data=data, seeds=seeds, research_data=research_data, progress=progress)
    if results is not None:
        found.write(results)
    click.echo(json.dumps(found.to_dict()) if as_json else evaluation_report(found))
