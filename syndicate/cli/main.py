"""The command line: its global options and the list of command groups. ``main`` is the program's entry point."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from syndicate import __version__
from syndicate.cli.commands import (
    admin,
    articles,
    backups,
    bounces,
    check,
    database,
    demo,
    digests,
    dkim,
    doctor,
    issues,
    plan,
    service,
    start,
    subscribers,
    suppressions,
    tokens,
    webhooks,
    why,
)
from syndicate.cli.context import Invocation, example
from syndicate.cli.errors import FAILED, report
from syndicate.service.stopping import leave

# Each module registers its own commands, in the order of the help page.
GROUPS = (
    start,
    demo,
    check,
    doctor,
    articles,
    plan,
    digests,
    issues,
    why,
    subscribers,
    suppressions,
    bounces,
    dkim,
    tokens,
    webhooks,
    service,
    admin,
    backups,
    database,
)

# No rich mark-up in help and usage errors: importing rich costs more than everything else that `--help` does.
app = typer.Typer(name="syndicate", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
for _group in GROUPS:
    _group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"syndicate {__version__}")
        raise typer.Exit


@app.callback(epilog=example("syndicate init paper", "syndicate -c paper/config.toml check"))
def _global(
    ctx: typer.Context,
    config: Annotated[
        Path,
        typer.Option("-c", "--config", metavar="FILE", envvar="SYNDICATE_CONFIG", help="The configuration file."),
    ] = Path("config.toml"),
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Feeds and e-mail digests from the articles a publisher already has, with a ledger of every delivery."""
    ctx.obj = Invocation(config=config)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; every error has been told on stderr."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="syndicate")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error ends
        return report(error)
    return 0


def main() -> None:
    """Run the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or log that knows only ASCII shows "?" for what it cannot; it does not end the work.
            stream.reconfigure(errors="replace")
    status = run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our pipe went away (`syndicate … | head`); without this the interpreter complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    leave(status)
    sys.exit(status)
