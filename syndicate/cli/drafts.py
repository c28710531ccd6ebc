"""``issues edit``, ``test``, ``approve`` and ``replay``: control before an issue goes, and what went out afterwards."""

from __future__ import annotations

import getpass
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line
from syndicate.cli.output import shown
from syndicate.cli.writing import write_out
from syndicate.errors import UsageError

if TYPE_CHECKING:
    from syndicate.core.editing import Edits
    from syndicate.model import Issue
    from syndicate.store.issue_events import IssueEvent

IssueId = Annotated[int, typer.Argument(metavar="ID", help="The issue's number, as `issues list` shows it.")]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it, for the record; default: your login name.")
]


class Format(StrEnum):
    """What ``replay`` writes."""

    EML = "eml"
    HTML = "html"
    TEXT = "text"


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``issues``."""
    group.command(
        "edit",
        epilog=example(
            "syndicate issues edit 7 --subject 'Storm edition' --intro-file intro.md",
            "syndicate issues edit 7 --pin https://courier.example/storm --drop https://courier.example/fair",
            "syndicate issues edit 7 --undo",
        ),
    )(edit)
    group.command("test", epilog=example("syndicate issues test 7 editor@courier.example"))(try_out)
    group.command("approve", epilog=example("syndicate issues approve 7"))(approve)
    group.command(
        "replay",
        epilog=example(
            "syndicate issues replay 7 --subscriber ann@example.org -o sent.eml",
            "syndicate issues replay 7 --subscriber ann@example.org --format text --mask-links",
        ),
    )(replay)


def edit(
    ctx: typer.Context,
    issue_id: IssueId,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Another subject, as it stands; '' takes it away.")
    ] = None,
    intro: Annotated[
        str | None, typer.Option("--intro", help="Words before the articles, in Markdown; '' takes them away.")
    ] = None,
    intro_file: Annotated[
        Path | None, typer.Option("--intro-file", metavar="FILE", help="The same from a file; - reads standard input.")
    ] = None,
    pin: Annotated[list[str] | None, typer.Option("--pin", metavar="URL", help="To the top; may be repeated.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="URL", help="Out of this issue; may be repeated.")
    ] = None,
    restore: Annotated[
        list[str] | None, typer.Option("--restore", metavar="URL", help="As it was chosen; may be repeated.")
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option("--order", metavar="URL", help="Repeated: these in this order, before the others; '' undoes it."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last change back.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Take all changes back, first.")] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a draft: its subject, words before the articles, which articles and in which order."""
    from syndicate.pipeline.compose.editing import Wish, edit_issue, undo_edit

    call = invocation(ctx, as_json)
    if intro is not None and intro_file is not None:
        raise UsageError("give --intro or --intro-file, not both")
    wish = Wish(
        subject=subject,
        intro=intro if intro_file is None else _read(intro_file),
        pin=pin or (),
        drop=drop or (),
        restore=restore or (),
        order=None if order is None else [url for url in order if url],
        reset=reset,
    )
    if undo and wish != Wish():
        raise UsageError("--undo takes the last change back and goes with no other change")
    if not undo and wish == Wish():
        raise UsageError(
            "nothing to change: give --subject, --intro, --pin, --drop, --restore, --order, --undo or --reset"
        )
    with call.services() as services:
        tools = services.database, services.renderer, issue_id
        who, now = by or _login(), services.clock()
        if undo:
            issue, edits = undo_edit(*tools, now=now, by=who)
        else:
            issue, edits = edit_issue(*tools, wish, now=now, by=who)
    call.output.document(issue_document(issue) | {"edits": edits.document()})
    call.output.text(issue_line(issue))
    call.output.text(f"subject: {issue.subject}")
    call.output.text(edits_line(edits))


def try_out(
    ctx: typer.Context,
    issue_id: IssueId,
    address: Annotated[str, typer.Argument(metavar="EMAIL", help="Who gets the copy.")],
    as_json: JsonOption = False,
) -> None:
    """Send one [test] copy of a draft to this address only; nothing of it stands on the ledger."""
    from syndicate.service import passes

    call = invocation(ctx, as_json)
    with call.services() as services:
        outcome, subject = passes.send_draft_test(services, issue_id, address)
    call.output.document(
        {"issue": issue_id, "to": address, "subject": subject, "outcome": outcome.kind.value, "reply": outcome.text}
    )
    call.output.text(f"{subject}: {outcome.kind} ({outcome.relay}{' ' + outcome.text if outcome.text else ''})")
    if outcome.kind.value != "accepted":
        raise typer.Exit(1)


def approve(ctx: typer.Context, issue_id: IssueId, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Let a draft go; `run` or `deliver` sends it. Exit status 1 when its messages have errors."""
    from syndicate.pipeline.compose import editing

    call = invocation(ctx, as_json)
    with call.services() as services:
        issue = editing.approve(services.database, services.renderer, issue_id, now=services.clock(), by=by or _login())
    call.output.document(issue_document(issue))
    call.output.text(issue_line(issue))
    call.output.text(f"`syndicate deliver {issue.id}` sends it; so does `syndicate run`")


def replay(
    ctx: typer.Context,
    issue_id: IssueId,
    subscriber: Annotated[str, typer.Option("--subscriber", metavar="EMAIL", help="Whose message.")],
    style: Annotated[Format, typer.Option("--format", help="The whole message, or one part of it.")] = Format.EML,
    target: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: standard output.")] = None,
    mask: Annotated[
        bool, typer.Option("--mask-links", help="Without the reader's own links, to show to others.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a reader was sent, byte for byte, while it is kept. Its links work: whoever has them can use them."""
    from syndicate.pipeline.replay import Signing
    from syndicate.pipeline.replay import replay as show

    call = invocation(ctx, as_json)
    with call.services() as services:
        signing = Signing(sign=services.signer, name=services.settings.signs_as)
        tools = services.database, services.personal, services.keyring
        found = show(*tools, issue_id, subscriber, mask=mask, signing=signing)
    content = {Format.EML: found.message, Format.HTML: found.html.encode(), Format.TEXT: found.text.encode()}[style]
    call.output.document(
        {
            "issue": found.issue_id,
            "edition": found.edition_id,
            "state": found.state.value,
            "sent_at": found.sent_at,
            "subject": found.subject,
            "exact": not (found.masked or found.doubts),
            "doubts": list(found.doubts),
            "size": len(found.message),
            "message": found.message.decode(errors="replace"),
        }
    )
    write_out(call, content, target, f"{target}: {found.subject} ({len(content)} bytes)", as_json=as_json)
    for doubt in found.doubts:
        call.output.note(doubt)
    if not found.masked:
        call.output.note(
            "the unsubscribe and preference links in it are this reader's own and work; --mask-links takes them out"
        )


def edits_line(edits: Edits) -> str:
    """The changes of an issue for people."""
    parts = [
        "its own subject" if edits.subject else "",
        "an intro" if edits.intro else "",
        *(f"{len(ids)} {word}" for ids, word in ((edits.pinned, "pinned"), (edits.dropped, "dropped")) if ids),
        "another order" if edits.order else "",
    ]
    return f"edited: {', '.join(part for part in parts if part) or 'nothing, it stands as it was composed'}"


def event_line(event: IssueEvent) -> str:
    """One thing done to an issue, for people."""
    return f"{shown(event.at)}  {event.event}{f' by {event.by}' if event.by else ''}"


def draft_line(issue: Issue) -> str:
    """What a draft waits for."""
    head = f"issue {issue.id}, {issue.digest} {issue.period}: a draft for {issue.recipients} recipients"
    if issue.reason:
        head += f" ({issue.reason})"
    if issue.deadline_at is None or issue.deadline_action is None:
        return f"{head} waits for `syndicate issues approve {issue.id}`"
    then = "it is sent" if issue.deadline_action == "send" else "it lapses"
    return f"{head} waits for `syndicate issues approve {issue.id}` until {shown(issue.deadline_at)}, then {then}"


def _read(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None
