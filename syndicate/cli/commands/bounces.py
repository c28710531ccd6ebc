"""``bounces``: what comes back after sending, understood and applied."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED

if TYPE_CHECKING:
    from syndicate.core.bounces.report import Returned


def register(app: typer.Typer) -> None:
    """Add the group ``bounces``."""
    group = typer.Typer(no_args_is_help=True, help="Bounces, complaints and automatic answers.", rich_markup_mode=None)
    group.command(
        "classify",
        epilog=example("syndicate bounces classify bounce.eml", "find spool -type f | syndicate bounces classify"),
    )(classify)
    app.add_typer(group, name="bounces")


def classify(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Messages, one a file; without any, paths from standard input."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what messages are, one JSON object a line, in either mode; nothing is applied or looked up."""
    from syndicate.core.bounces.reading import read_report
    from syndicate.errors import InboundError
    from syndicate.io.inbound import read_message_file

    call = invocation(ctx, as_json)
    unread = 0
    for path in files or _paths():
        document: dict[str, Any] = {"file": str(path), "results": []}
        try:
            report = read_report(read_message_file(path))
        except InboundError as error:
            unread += 1
            document["error"] = str(error)
            call.output.note(str(error))
        else:
            document["results"] = [_result(one) for one in report.results]
            if report.unsubscribe:
                document["unsubscribe"] = True
        sys.stdout.write(json.dumps(document) + "\n")
    if unread:
        raise typer.Exit(FAILED)


def _paths() -> Iterator[Path]:
    for line in sys.stdin:
        if line.strip("\r\n"):
            yield Path(line.rstrip("\r\n"))


def _result(one: Returned) -> dict[str, Any]:
    return {
        "recipient": one.recipient,
        "cls": one.cls.value,
        "action": one.action and one.action.value,
        "status": one.status,
        "code": one.code,
        "text": one.text,
        "certain": one.certain,
    }
