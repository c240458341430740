"""`make evidence` and `make release-check`, as one program: python -m experiments.evidence --help."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.evidence.book import HINT, Book
from experiments.evidence.command import measure, wanting
from experiments.evidence.parts import collect
from experiments.evidence.sources import PACKAGES, ROOT
from recsys.errors import ThousandFacesError, TrainingError
from recsys.words import counted


@click.group()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=ROOT, help="The checkout.")
@click.option("--package", "packages", multiple=True, default=PACKAGES, help="Whose code counts; repeatable.")
@click.pass_context
def cli(context: click.Context, root: Path, packages: tuple[str, ...]) -> None:
    """The privacy evidence at full counts, and whether it is that of the present code."""
    context.obj = Book(root.resolve(), packages)


@cli.command()
@click.option("--only", default="", metavar="PATTERN", help="Parts whose name or tests contain this.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Parts at a time.")
@click.option("--list", "listed", is_flag=True, help="Name the parts that would run, and run none.")
@click.option("--forget", is_flag=True, help="Drop the rows of tests that are no more from the file too.")
@click.pass_obj
def run(book: Book, only: str, jobs: int, listed: bool, forget: bool) -> None:
    """Run the parts whose rows are missing or stale; rows of a part are kept if all of it passed."""
    tests = collect(book.root)
    if listed:
        for part in wanting(book, tests, only):
            click.echo(f"{part.name}: {counted(len(part.tests), 'test')} of {part.file}")
        return
    failed = measure(book, tests, only, jobs, forget, click.echo)
    for outcome in failed:
        click.echo(f"{outcome.part.name}: {outcome.problem}; its output: {outcome.log}", err=True)
    if failed:
        raise TrainingError(
            f"{counted(len(failed), 'part')} of the evidence failed; see the logs named above"
        )


@cli.command()
@click.pass_obj
def check(book: Book) -> None:
    """Fail if a row is stale, missing, edited or breaks its bar, or if the page is not what the rows make."""
    found = book.open_points(collect(book.root))
    for problem in found:
        click.echo(problem, err=True)
    if found:
        raise TrainingError(f"{counted(len(found), 'open point')} of the privacy evidence; {HINT}")
    click.echo(f"{counted(len(book.rows()), 'row')} of evidence, all of the present code")


def main() -> None:
    """Run, with errors as one line and their exit codes."""
    try:
        cli()
    except ThousandFacesError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
