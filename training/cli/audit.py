"""`thousandfaces audit`: attacks on the real code, and what they found beside what is claimed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recsys.errors import PlanError
from recsys.quiet import quiet_libraries

if TYPE_CHECKING:
    from recsys.privacy.ledger import Ledger
    from recsys.silos.config import SiloConfig
    from training.audit.record import AuditResult

OUTPUT = Path(".thousandfaces")
FEDERATION = "Attack the claims of these silos (their caps and delta) and record the audit in their ledgers."
LEDGER = "Record the audit in this ledger, a file or a URL; repeatable."


class _WithMutants(click.Group):
    """The group, whose `mutants` are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "mutants"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "mutants":
            return super().get_command(ctx, cmd_name)
        quiet_libraries()
        from training.cli.audit_mutants import mutants

        return mutants


@click.group(cls=_WithMutants)
def audit() -> None:
    """Attack the real code with synthetic canaries and compare what leaks with what is claimed."""


@audit.command()
@click.option("--federation", type=click.Path(dir_okay=False, path_type=Path), help=FEDERATION)
@click.option("--full", is_flag=True, help="At the counts of the evidence: takes some fifteen minutes.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUTPUT,
    show_default=True,
    help="Folder for results, reports and MLflow's records.",
)
@click.option("--ledger", "ledgers", multiple=True, metavar="PLACE", help=LEDGER)
@click.option("--tracking-uri", help="Where MLflow records the audit.  [default: mlflow.db in the output]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")
def run(
    federation: Path | None,
    full: bool,
    output: Path,
    ledgers: tuple[str, ...],
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Attack the installed code: behaviour, noise, sampler, single releases, and one run with many canaries.

    Only synthetic customers are attacked, so the audit reads no silo's records and costs nobody's budget.
    By default claims of epsilon 1, 2, 4 and 8 at delta 1e-6 are attacked. Exit code 3 if a claim does not
    hold.

    Example: thousandfaces audit run && thousandfaces audit report
    """
    quiet_libraries()
    from training.audit.plot import PLOT, plot_png
    from training.audit.record import record_in_ledgers, record_in_mlflow, save
    from training.audit.report import REPORT, print_tables, write_report
    from training.audit.run import CLAIMS, DELTA, FULL, QUICK, run_audit
    from training.progress import shown

    silos = _silos(federation)
    books = _books(silos, ledgers)
    claims = tuple(sorted({silo.epsilon_cap for silo in silos})) or CLAIMS
    delta = min((silo.delta for silo in silos), default=DELTA)
    with shown() as progress:
        result = run_audit(FULL if full else QUICK, claims=claims, delta=delta, progress=progress)
    folder = save(result, output)
    write_report(result, folder / REPORT)
    (folder / PLOT).write_bytes(plot_png(result))
    uri = tracking_uri or f"sqlite:///{(output / 'mlflow.db').absolute()}"
    record_in_mlflow(result, folder, uri, (output / "artifacts").absolute())
    rows = record_in_ledgers(result, books)
    if as_json:
        click.echo(result.to_json())
    else:
        print_tables(result)
        for silo, row in rows.items():
            click.echo(f"Recorded in the ledger of {silo}, row {row}.")
        click.echo(f"Report: {folder / REPORT}")
    _refuse_if_failed(result)


@audit.command(name="report")
@click.argument("path", type=click.Path(path_type=Path), default=OUTPUT)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the HTML.")
def report_(path: Path, out: Path | None) -> None:
    """Show an audit as a table and write it as one HTML file with its plot.

    PATH is an audit's folder or audit.json, or an output folder, whose latest audit is shown.  [default:
    .thousandfaces]
    """
    quiet_libraries()
    from training.audit.record import find, load
    from training.audit.report import REPORT, print_tables, write_report

    folder = find(path)
    result, target = load(folder), out or folder / REPORT
    write_report(result, target)
    print_tables(result)
    click.echo(f"Report: {target}")


def _silos(federation: Path | None) -> tuple[SiloConfig, ...]:
    from recsys.silos.config import FederationConfig

    return tuple(FederationConfig.load(federation).silo_configs()) if federation else ()


def _books(silos: tuple[SiloConfig, ...], places: tuple[str, ...]) -> dict[str, Ledger]:
    """The ledgers to record in, opened before anything runs, so that a wrong name costs no time."""
    from recsys.privacy.ledger import Ledger
    from recsys.silos.ledger import open_ledger

    books = {silo.name: open_ledger(silo) for silo in silos}
    for place in places:
        ledger = Ledger(place if "://" in place else Path(place), create=False)
        books[ledger.owner() or place] = ledger
    return books


def _refuse_if_failed(result: AuditResult) -> None:
    if result.failed:
        names = ", ".join(sorted({line.check for line in result.failed}))
        raise PlanError(f"the audit contradicts the claim ({names}); do not release with this code")
