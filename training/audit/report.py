"""An audit for readers: one HTML file that needs nothing else, and a table for the terminal."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recsys.errors import ConfigError
from training.audit.plot import plot_png
from training.audit.record import AuditResult

REPORT = "audit.html"
TEMPLATE = Path(__file__).with_name("report.html")
PIPE_WIDTH = 140


def write_report(result: AuditResult, path: Path) -> None:
    """Write the audit as one HTML page with its plot inside. Raises ConfigError if that cannot be written."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    page = template.render(result=result, plot=b64encode(plot_png(result)).decode())
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be written") from None


def print_tables(result: AuditResult) -> None:
    """Claim and attack side by side, then what failed."""
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:  # a pipe has no width of its own
        console = Console(soft_wrap=True, highlight=False, width=PIPE_WIDTH)
    console.print(_attacks(result))
    for line in result.failed:
        console.print(escape(f"FAILED {line.check}: {line.words}"))
    passed, all_of_them = len(result.lines) - len(result.failed), len(result.lines)
    counts = "full" if result.full else "reduced"
    console.print(
        f"{passed} of {all_of_them} findings keep the claim "
        f"({counts} counts, {result.seconds:.0f} s; {result.stamp})."
    )


def _attacks(result: AuditResult) -> Table:
    title = f"Privacy audit {result.audit_id}: claim and attack at δ = {result.delta:g}"
    table = Table("attack", "claimed ε", "proved ε (95 %)", "on", "ok", title=title)
    for step in result.steps:
        cells = (f"{step.claim:g}", f"{step.bound:.3f}", f"{step.trials:,} releases x 2")
        table.add_row(f"one release, {step.mechanism}", *cells, _word(step.finding.ok))
    for run in result.one_run:
        proved = f"{run.epsilon_bound:.2f} | {run.curve_bound:.2f} | {run.separation_bound:.2f}"
        words = "one run: any (ε, δ) | whole curve | all scores"
        table.add_row(words, f"{run.claim:g}", proved, f"{run.canaries:,} canaries", _word(run.finding.ok))
    return table


def _word(ok: bool) -> str:
    return "yes" if ok else "NO"
