from click.testing import CliRunner

from recsys.cli import SUMMARIES, main


def test_every_command_says_what_it_does() -> None:
    told = CliRunner().invoke(main, ["--help"])
    assert told.exit_code == 0
    for name, summary in SUMMARIES.items():
        assert f"  {name} " in told.output
        assert summary.split()[0] in told.output
    listed = [line.split() for line in told.output.split("Commands:")[1].splitlines() if line.startswith("  ")]
    assert {words[0] for words in listed if words[0] in SUMMARIES} == set(SUMMARIES)
    assert all(len(words) > 1 for words in listed)
