"""``preview``, ``send`` and ``deliver``: making issues by hand and working through what is owed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line, outcomes_document, outcomes_line
from syndicate.cli.drafts import draft_line
from syndicate.cli.output import shown
from syndicate.cli.writing import write_out
from syndicate.errors import UsageError

if TYPE_CHECKING:
    from syndicate.core.preflight import Finding
    from syndicate.service.sending import Waiting

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
    digest: Annotated[
        str | None, typer.Argument(metavar="[DIGEST]", help="The digest's name in the configuration.")
    ] = None,
    issue: Annotated[int | None, typer.Option("--issue", metavar="ID", help="A draft, as edited.")] = None,
    subscriber: Annotated[
        str | None, typer.Option("--subscriber", metavar="EMAIL", help="As this person would get it.")
    ] = None,
    style: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    target: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: standard output.")] = None,
    check_links: Annotated[
        bool, typer.Option("--check-links", help="Ask every address that the mail links to whether it is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Render a digest, or a draft, as it would go out now; sends nothing, writes nothing to the ledger.

    What the pre-flight finds stands on standard error: errors would keep the issue back, warnings would not.
    """
    from syndicate.pipeline.compose import preview_digest
    from syndicate.pipeline.compose.editing import preview_issue

    call = invocation(ctx, as_json)
    if (digest is None) == (issue is None):
        raise UsageError("give the name of a digest, or --issue with the number of a draft")
    with call.services() as services:
        tools = services.database, services.renderer, services.personal, services.keyring
        now, try_links = services.clock(), _dead_links(call) if check_links else lambda _links: ()
        if issue is not None:
            made = preview_issue(*tools, issue, email=subscriber, now=now, try_links=try_links)
        else:
            made = preview_digest(*tools, digest or "", email=subscriber, now=now, try_links=try_links)
        message = services.signed(made.message) if style is Format.EML else made.message
    content = {Format.HTML: made.html.encode(), Format.TEXT: made.text.encode(), Format.EML: message}[style]
    call.output.document(
        {
            "digest": digest,
            "issue": issue,
            "subject": made.subject,
            "articles": made.articles,
            "digests": list(made.digests) or None,
            "new": made.new,
            "reason": made.reason or None,
            "size": len(message),
            "html_size": made.html_size,
            "preflight": [finding.document() for finding in made.findings],
            "html": made.html,
            "text": made.text,
        }
    )
    if target is None and style is Format.TEXT:
        call.output.text(made.text.rstrip("\n"))
    else:
        told = f"{target}: {made.subject} ({_articles(len(made.articles))}, {len(message)} bytes as mail)"
        write_out(call, content, target, told, as_json=as_json)
    if made.digests:
        call.output.note(f"one mail for {', '.join(made.digests)}, which are due at the same time (merge)")
    if not made.new:
        who, whose = (subscriber, "their topics") if subscriber else ("a new reader", "the digest")
        call.output.note(f"{who} would get no issue now: {made.reason}; shown are the newest articles of {whose}")
    for finding in made.findings:
        call.output.note(f"{finding.severity}: {finding}: {finding.todo}")


def _dead_links(call: Invocation) -> Callable[[Sequence[str]], Sequence[Finding]]:
    from syndicate.io.link_check import dead_links

    return partial(dead_links, networks=call.settings.service.networks)


def _articles(count: int) -> str:
    return "1 article" if count == 1 else f"{count} articles"


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
    if dry_run and test is not None:
        raise UsageError("--dry-run sends nothing and --test sends one copy: give one of the two")
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
        result = passes.send(
            services,
            digest,
            wait=wait,
            stop=stop,
            progress=advance,
            tell=call.output.note,
            composed=lambda issue: advance.expect(issue.counts.queued),
        )
    call.output.document(issue_document(result.issue))
    call.output.text(issue_line(result.issue))
    if result.issue.state.value == "draft":
        call.output.text(draft_line(result.issue))
    if result.stopped_by is not None:
        raise result.stopped_by


def deliver(
    ctx: typer.Context,
    issues: Annotated[list[int] | None, typer.Argument(metavar="[ISSUE]...", help="Only these issues.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Work through what is queued, or deferred and due, then exit. What a dead process held is taken over first.

    Without an ISSUE, the confirmation mails that are owed are sent, too.
    """
    from syndicate.errors import StoreBusyError
    from syndicate.model import IssueState
    from syndicate.service import sending
    from syndicate.service.stopping import stop_on_signal

    call = invocation(ctx, as_json)
    wanted, tell = issues or [], call.output.note
    with call.services() as services, stop_on_signal() as stop:
        open_issues = sending.what_waits(services, wanted)  # raises for a number that is none
        counts = [each.issue.counts for each in open_issues if each.issue.state is IssueState.RUNNING]
        total = sum(each.queued + each.deferred for each in counts)
        confirmed = None if wanted else sending.confirm_due(services, stop=stop, tell=tell)
        with call.output.progress("delivering", total) as advance:
            result = sending.deliver_queued(services, stop=stop, issues=issues or None, progress=advance, tell=tell)
        if result is None:
            lock = services.sending_lock()
            owner = lock.owner() if lock else "unknown"
            raise StoreBusyError(
                f"process {owner} is sending from {services.database.label} already; it does this work"
            )
        waiting = sending.what_waits(services, wanted)
    confirmations = outcomes_document(confirmed)
    call.output.document(
        {
            "outcomes": outcomes_document(result),
            "confirmations": confirmations,
            "finished": result.finished,
            "in_doubt": result.taken_over,
            "waiting": [
                {
                    "issue": each.issue.id,
                    "state": each.issue.state.value,
                    "queued": each.issue.counts.queued,
                    "deferred": each.issue.counts.deferred,
                    "due_at": each.due_at,
                }
                for each in waiting
                if each.due_at is not None
            ],
        }
    )
    done = outcomes_line(result)
    stopped_by = result.stopped_by or (confirmed.stopped_by if confirmed else None)
    if confirmations:
        call.output.text(f"confirmation mails: {outcomes_line(confirmed)}")
    if done or (stopped_by is None and not confirmations):
        call.output.text(done or "nothing was due")
    if result.taken_over:
        call.output.text(f"{result.taken_over} deliveries of a process that died: see `syndicate issues list`")
    if stopped_by is not None:
        raise stopped_by
    for each in waiting:
        if each.due_at is not None or wanted:
            call.output.text(_waiting_line(each))


def _waiting_line(waiting: Waiting) -> str:
    issue = waiting.issue
    count = issue.counts.queued + issue.counts.deferred
    if issue.state.value == "draft":
        return draft_line(issue)
    if waiting.due_at is None:
        return f"issue {issue.id} is {issue.state}: nothing of it waits"
    still = f"{count} deliver{'ies wait' if count != 1 else 'y waits'}"
    if issue.state.value == "paused":
        return f"issue {issue.id} is paused: {still}; `syndicate issues resume {issue.id}` lets it go on"
    return f"issue {issue.id} is {issue.state}: {still}, next at {shown(waiting.due_at)}"
