import json
from pathlib import Path

import pytest

from experiments.evidence import write_evidence
from recsys.errors import ConfigError


def test_rows_become_a_table_that_names_command_and_commit(tmp_path: Path) -> None:
    rows = [
        {"what": "b", "bar": "≥ 1", "measured": "2 | 3", "test": "t.py::b"},
        {"what": "a", "bar": "0", "measured": "0", "test": "t.py::a"},
    ]
    file, results = tmp_path / "rows.jsonl", tmp_path / "evidence.md"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_evidence(file, results)
    text = results.read_text()
    assert text.startswith("# Privacy evidence")
    assert "Made by `make evidence` at commit" in text
    assert text.index("| a | 0 | 0 | `t.py::a` |") < text.index("| b | ≥ 1 | 2 \\| 3 | `t.py::b` |")


@pytest.mark.parametrize("content", [None, "no json\n", '{"what": "a"}\n'])
def test_anything_else_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"rows\.jsonl: no rows of evidence"):
        write_evidence(file, tmp_path / "evidence.md")
