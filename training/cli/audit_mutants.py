"""`thousandfaces audit mutants`: whether the checks tell broken builds from the correct one."""

from __future__ import annotations

from collections.abc import Sequence

import click
import orjson
from rich.console import Console
from rich.table import Table

from recsys.errors import TrainingError
from recsys.words import NO_VALUE, counted
from training.audit.mutants.catalogue import MUTANTS
from training.audit.mutants.matrix import CORRECT, Verdict, run_matrix


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--only", multiple=True, metavar="NAME", type=click.Choice(sorted(MUTANTS)), help="Repeatable.")
@click.option("--correct-runs", type=click.IntRange(min=1), default=1, show_default=True)
def mutants(as_json: bool, only: tuple[str, ...], correct_runs: int) -> None:
    """Break the code on purpose, one way at a time, and see whether the checks notice.

    The correct build has to pass first (--correct-runs times), then every mutant has to be caught by what was
    measured. Exit code 4 if the correct build fails a check or a mutant is missed.
    """
    verdicts: list[Verdict] = []
    for verdict in run_matrix(only or MUTANTS, correct_runs=correct_runs):
        verdicts.append(verdict)
        click.echo(_progress(verdict), err=True)
    if as_json:
        click.echo(orjson.dumps(_summary(verdicts), option=orjson.OPT_INDENT_2).decode())
    else:
        Console().print(_table(verdicts))
    if wrong := [_problem(verdict) for verdict in verdicts if not _as_expected(verdict)]:
        raise TrainingError(f"{counted(len(wrong), 'build')} not judged rightly: {'; '.join(wrong)}")


def _summary(verdicts: Sequence[Verdict]) -> dict[str, object]:
    broken = [verdict for verdict in verdicts if verdict.build != CORRECT]
    correct = [verdict for verdict in verdicts if verdict.build == CORRECT]
    return {
        "mutants": len(broken),
        "caught": sum(bool(verdict.caught_by) for verdict in broken),
        "names": [verdict.build for verdict in broken],
        "caught_by": {verdict.build: verdict.caught_by for verdict in broken},
        "missed": [verdict.build for verdict in broken if not verdict.caught_by],
        "correct_runs": len(correct),
        "correct_passed": sum(not verdict.caught_by for verdict in correct),
    }


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table("build", "what is wrong with it", "caught by", "measured")
    for verdict in verdicts:
        words = "nothing" if verdict.build == CORRECT else MUTANTS[verdict.build].words
        evidence = verdict.evidence[0].words if verdict.evidence else NO_VALUE
        table.add_row(verdict.build, words, ", ".join(verdict.caught_by) or NO_VALUE, evidence)
    return table


def _as_expected(verdict: Verdict) -> bool:
    return bool(verdict.caught_by) != (verdict.build == CORRECT)


def _progress(verdict: Verdict) -> str:
    if verdict.build == CORRECT:
        return (
            f"{verdict.build}: {'failed ' + ', '.join(verdict.caught_by) if verdict.caught_by else 'passed'}"
        )
    return (
        f"{verdict.build}: {'caught by ' + ', '.join(verdict.caught_by) if verdict.caught_by else 'MISSED'}"
    )


def _problem(verdict: Verdict) -> str:
    if verdict.build == CORRECT:
        return f"the correct build failed ({verdict.evidence[0].words})"
    return f"'{verdict.build}' was missed; add a check that measures what it breaks"
