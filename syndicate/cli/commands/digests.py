"""``preview``, ``send`` and ``deliver``: making issues by hand and working through what is owed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line

DigestName = Annotated[str, typer.Argument(metavar="DIGEST", help="The digest's name in the configuration.")]


class Format(StrEnum):
    """What ``preview`` writes."""

    HTML = "html"
    TEXT = "text"
    EML = "eml"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "preview", epilog=example("syndicate preview morning --format text", "syndicate preview morning -o a.html")
    )(preview)
    app.command(
        "send",
        epilog=example(
            "syndicate send morning --dry-run",
            "syndicate send morning --test editor@courier.example",
            "syndicate send morning",
        ),
    )(send)
    app.command("deliver", epilog=example("syndicate deliver", "syndicate deliver 7 --json"))(deliver)


def preview(
    ctx: typer.Context,
    digest: DigestName,
    subscriber: Annotated[
        str | None, typer.Option("--subscriber", metavar="EMAIL", help="As this person would get it.")
    ] = None,
    style: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    target: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: standard output.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Render a digest as it would go out now; sends nothing, writes nothing to the ledger."""
    from syndicate.pipeline.compose import preview_digest

    call = invocation(ctx, as_json)
    with call.services() as services:
        made = preview_digest(
            services.database,
            services.renderer,
            services.personal,
            services.keyring,
            digest,
            email=subscriber,
            now=services.clock(),
        )
    text = {Format.HTML: made.html, Format.TEXT: made.text, Format.EML: made.message.decode("ascii", "surrogateescape")}
    call.output.document(
        {
            "digest": digest,
            "subject": made.subject,
            "articles": made.articles,
            "size": len(made.message),
            "html": made.html,
            "text": made.text,
        }
    )
    if target is not None:
        target.write_text(text[style], encoding="utf-8", newline="")
        call.output.text(f"{target}: {made.subject} ({len(made.articles)} articles, {len(made.message)} bytes as mail)")
    elif not as_json:
        typer.echo(text[style], nl=not text[style].endswith("\n"))


def send(
    ctx: typer.Context,
    digest: DigestName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say who would get what; write and send nothing.")] = False,
    test: Annotated[
        str | None, typer.Option("--test", metavar="EMAIL", help="Send one [test] copy to this address only.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Compose only; `run` or `deliver` sends it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compose an issue now for all confirmed subscriptions of a digest, and deliver it."""
    call = invocation(ctx, as_json)
    call.settings.named_digest(digest)
    if dry_run:
        _dry_run(call, digest)
    elif test is not None:
        _test(call, digest, test)
    else:
        _send(call, digest, wait=not no_wait)


def _dry_run(call: Invocation, digest: str) -> None:
    from syndicate.pipeline.compose import dry_run

    with call.services() as services:
        planned = dry_run(services.database, services.renderer, digest, now=services.clock())
    call.output.document(planned.document())
    call.output.table(
        ("edition", "language", "recipients", "articles", "subject"),
        [(n, e.language, e.recipients, len(e.articles), e.subject) for n, e in enumerate(planned.editions, 1)],
        empty=f"nothing new for {planned.subscriptions} subscriptions: no issue would be made",
    )


def _test(call: Invocation, digest: str, address: str) -> None:
    from syndicate.service import passes

    with call.services() as services:
        outcome, subject = passes.send_test(services, digest, address)
    call.output.document(
        {"digest": digest, "to": address, "subject": subject, "outcome": outcome.kind.value, "reply": outcome.text}
    )
    call.output.text(f"{subject}: {outcome.kind} ({outcome.relay}{' ' + outcome.text if outcome.text else ''})")
    if outcome.kind.value != "accepted":
        raise typer.Exit(1)


def _send(call: Invocation, digest: str, *, wait: bool) -> None:
    from syndicate.service import passes
    from syndicate.service.stopping import stop_on_signal

    with (
        call.services() as services,
        stop_on_signal() as stop,
        call.output.progress(f"sending {digest}") as advance,
    ):
        result = passes.send(services, digest, wait=wait, stop=stop, progress=advance)
    call.output.document(issue_document(result.issue))
    call.output.text(issue_line(result.issue))
    if result.stopped_by is not None:
        raise result.stopped_by


def deliver(
    ctx: typer.Context,
    issues: Annotated[list[int] | None, typer.Argument(metavar="[ISSUE]...", help="Only these issues.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Work through what is queued, or deferred and due, then exit. What a dead process held is taken over first."""
    from syndicate.errors import StoreBusyError
    from syndicate.service import passes
    from syndicate.service.stopping import stop_on_signal
    from syndicate.store.issues import get_issue

    call = invocation(ctx, as_json)
    with call.services() as services, stop_on_signal() as stop:
        with services.database.read() as session:
            for issue_id in issues or ():
                get_issue(session, issue_id)
        with call.output.progress("delivering") as advance:
            result = passes.deliver_due(services, stop=stop, issues=issues or None, progress=advance)
        if result is None:
            lock = services.sending_lock()
            owner = lock.owner() if lock else "unknown"
            raise StoreBusyError(
                f"process {owner} is sending from {services.database.label} already; it does this work"
            )
    call.output.document(
        {
            "outcomes": {state.value: count for state, count in result.outcomes.items()},
            "finished": result.finished,
            "in_doubt": result.taken_over,
        }
    )
    done = ", ".join(f"{count} {state}" for state, count in result.outcomes.items())
    if done or result.stopped_by is None:
        call.output.text(done or "nothing was due")
    if result.taken_over:
        call.output.text(f"{result.taken_over} deliveries of a process that died: see `syndicate issues list`")
    if result.stopped_by is not None:
        raise result.stopped_by
