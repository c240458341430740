"""The privacy evidence as a table: from the rows that the tests measured at full counts to a results file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from experiments.results_table import write_results
from recsys.errors import ConfigError
from recsys.words import counted

RESULTS = Path(__file__).parent / "results" / "privacy_evidence.md"
COMMAND = "make evidence"


def write_evidence(rows_file: Path, results: Path = RESULTS) -> None:
    """Write the table of the measured rows (JSON lines of what, bar, measured, test).

    Raises ConfigError if the file is missing or holds anything else.
    """
    try:
        rows = [json.loads(line) for line in rows_file.read_text(encoding="utf-8").splitlines()]
        cells = sorted([row["what"], row["bar"], row["measured"], f"`{row['test']}`"] for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{rows_file}: no rows of evidence ({error}); make them with: {COMMAND}") from None
    table = ["| what | bar | measured | test |", "|---|---|---|---|"]
    table += [f"| {' | '.join(_cell(text) for text in row)} |" for row in cells]
    facts = [
        f"{counted(len(cells), 'row')}; every row was asserted by its test, at the full counts that the "
        "claim asks for",
        "made with synthetic customers and simulated worlds alone: nobody's budget was spent",
    ]
    write_results(results, "Privacy evidence", COMMAND, facts, table)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    write_evidence(Path(sys.argv[1]))
