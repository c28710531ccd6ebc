"""``bounces``: what comes back after sending, understood and applied."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.errors import FAILED
from syndicate.cli.output import counted

if TYPE_CHECKING:
    from syndicate.core.bounces.report import Returned
    from syndicate.service.returns import ReturnsResult


def register(app: typer.Typer) -> None:
    """Add the group ``bounces``."""
    group = typer.Typer(
        callback=apply,
        invoke_without_command=True,
        epilog=example(
            "syndicate bounces --maildir /var/mail/bounces",
            "syndicate bounces --stdin < bounce.eml",
            "syndicate bounces classify bounce.eml",
        ),
        rich_markup_mode=None,
    )
    group.command(
        "classify",
        epilog=example("syndicate bounces classify bounce.eml", "find spool -type f | syndicate bounces classify"),
    )(classify)
    app.add_typer(group, name="bounces")


def apply(
    ctx: typer.Context,
    maildir: Annotated[
        Path | None, typer.Option("--maildir", metavar="DIR", help="A Maildir where they arrive; ours are deleted.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="One message from standard input, for a mail server's pipe.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read what came back and apply it: bounces, complaints, automatic answers, mails that ask to leave.

    Without an option: from every [mailbox.NAME] and bounce.maildir, as `syndicate run` does by itself.
    """
    if ctx.invoked_subcommand is not None:
        return
    from syndicate.errors import UsageError
    from syndicate.io.inbound import read_message_stream
    from syndicate.service.inboxes import look_into_all
    from syndicate.service.returns import ReturnsResult, take_maildir, take_message
    from syndicate.service.stopping import stop_on_signal

    call = invocation(ctx, as_json)
    if stdin and maildir is not None:
        raise UsageError("say where they are: --maildir DIR or --stdin, not both")
    configured = call.settings.mailbox or call.settings.bounce.maildir is not None
    if not stdin and maildir is None and not configured:
        raise UsageError("say where they are: --maildir DIR or --stdin; or set bounce.maildir or [mailbox.NAME]")
    result = ReturnsResult()
    with call.services() as services, call.output.progress("messages") as advance:
        if maildir is not None:
            take_maildir(services, maildir, result, progress=advance)
        elif not stdin:
            with stop_on_signal() as stop:
                result = look_into_all(services, stop=stop, insist=True)
        else:
            take_message(services, read_message_stream(sys.stdin.buffer), result)
    _tell(call, result)
    if result.problems:
        raise typer.Exit(FAILED)


def _tell(call: Invocation, result: ReturnsResult) -> None:
    from syndicate.core.bounces.report import ReturnClass
    from syndicate.pipeline.returns import Fate

    classes = {cls.value: result.classes[cls.value] for cls in ReturnClass}
    fates = {fate.value: result.fates[fate] for fate in Fate}
    call.output.document(
        {
            "read": result.read,
            **fates,
            "classes": classes,
            "suppressed": result.suppressed,
            "unsubscribed": result.unsubscribed,
            "problems": result.problems,
        }
    )
    say = call.output
    told = ", ".join(f"{count} {name}" for name, count in classes.items() if count)
    say.text(f"{counted(result.read, 'message')} read, {fates['applied']} applied{f': {told}' if told else ''}")
    say.text(f"{result.suppressed or 'none'} newly suppressed, {counted(result.unsubscribed, 'subscription')} ended")
    for fate, words in _WORDS.items():
        if fates[fate]:
            say.text(f"{fates[fate]} {words}")
    for problem in result.problems:
        say.note(problem)


_WORDS = {
    "known": "were applied before",
    "not_sent": "speak of what was never sent, or of readers who were erased",
    "foreign": "are not about our messages",
    "unclear": "answer our messages and are none of these things: people may look at them",
}


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
