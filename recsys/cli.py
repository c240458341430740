"""The `thousandfaces` command: a thin group that loads each package's subcommands when they are asked for."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points, version

import click

from recsys.errors import ThousandFacesError
from recsys.quiet import quiet_libraries

COMMANDS_GROUP = "thousandfaces.commands"

SUMMARIES = {
    "demo": "See the product work end to end on a simulated retail world.",
    "silo": "Check a silo's tables against the data contract.",
    "train": "Train a federated, differentially private model.",
    "evaluate": "Compare a model with popularity, personal top and its own parts.",
    "experiment": "Run trials and sweeps, and draw the privacy-utility frontier.",
    "bench": "Measure private and published models side by side on research data.",
    "publish": "Register a finished run's bundle.",
    "promote": "Point an alias at a registered version.",
    "serve": "Serve a bundle inside one silo over HTTP.",
    "replenishment": "List what a silo's customers will need again, and when.",
    "demand": "Foresee how many units of each item are bought in each store area.",
    "budget": "Show, trace, export and verify what privacy was spent; set caps, approve plans.",
    "audit": "Attack the real code and show what leaks beside what is claimed.",
}


class LazyCommands(click.Group):
    """A group whose commands are entry points: `--help` imports none of them, a command only its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all installed commands, in the order a newcomer meets them."""
        installed = _installed()
        known = [name for name in SUMMARIES if name in installed]
        return known + sorted(set(installed) - set(known))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command; an extra that is not installed becomes a one-line error."""
        entry = _installed().get(cmd_name)
        if entry is None:
            return None
        try:
            command: click.Command = entry.load()
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"'{cmd_name}' needs the package '{error.name}', which is not installed; "
                "install it with: pip install 'thousandfaces[experiments]'"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command table of `--help`, from the summaries, so that nothing slow is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES.get(name, "")) for name in self.list_commands(ctx)])


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=COMMANDS_GROUP)}


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("thousandfaces"), prog_name="thousandfaces")
def cli() -> None:
    """Thousand Faces: recommendations for retail that are federated, private and personal.

    Start with `thousandfaces demo`. Every command has its own --help.

    Exit codes: 0 success, 2 wrong input or configuration, 3 privacy budget refused, 4 run failed or
    incomplete, 5 bundle or registry not to be trusted.
    """


def main() -> None:
    """Run the command line; an error that the user can act on is one line on stderr and an exit code."""
    quiet_libraries()
    try:
        cli.main(standalone_mode=False)
    except ThousandFacesError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.Abort:
        _fail("interrupted", 130)
    except click.UsageError as error:
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx else ""
        _fail(f"{error.format_message()}{hint}", error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except BrokenPipeError:
        sys.exit(141)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.splitlines())
    click.echo(f"error: {line}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
