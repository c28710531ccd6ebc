"""``issues``: the ledger; look at issues, and pause, resume, cancel, resolve or retry them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line, issue_sum, pace_line, reason_line, state_word
from syndicate.cli.drafts import draft_line, edits_line, event_line
from syndicate.cli.drafts import register as register_drafts

if TYPE_CHECKING:
    from syndicate.model import Issue
    from syndicate.pipeline.compose.editing.looking import Contents
    from syndicate.store.engine import Database

IssueId = Annotated[int, typer.Argument(metavar="ID", help="The issue's number, as `issues list` shows it.")]


class Decision(StrEnum):
    """What to do with deliveries in doubt."""

    RESEND = "resend"
    SKIP = "skip"


class Rejection(StrEnum):
    """Which rejected deliveries to try again: a dead address is none of them."""

    SOFT = "soft"
    BLOCK = "block"


def register(app: typer.Typer) -> None:
    """Add the group ``issues``."""
    group = typer.Typer(no_args_is_help=True, help="The ledger: issues and their deliveries.", rich_markup_mode=None)
    group.command("list", epilog=example("syndicate issues list --digest morning"))(list_)
    group.command("show", epilog=example("syndicate issues show 7 --json", "syndicate issues show 7 --watch"))(show)
    group.command("pause", epilog=example("syndicate issues pause 7"))(pause)
    group.command("resume", epilog=example("syndicate issues resume 7"))(resume)
    group.command("cancel", epilog=example("syndicate issues cancel 7"))(cancel)
    group.command("resolve", epilog=example("syndicate issues resolve 7 --as resend"))(resolve)
    group.command("retry", epilog=example("syndicate issues retry 7", "syndicate issues retry 7 --class block"))(retry)
    register_drafts(group)
    app.add_typer(group, name="issues")


def list_(
    ctx: typer.Context,
    digest: Annotated[str | None, typer.Option("--digest", help="Only issues of this digest.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List issues, newest first."""
    from syndicate.store.issues import list_issues

    call = invocation(ctx, as_json)
    with call.services() as services, services.database.read() as session:
        found = list_issues(session, digest=digest, limit=limit)
    call.output.document({"issues": [issue_document(issue) for issue in found]})
    call.output.table(
        ("id", "digest", "period", "state", "composed", "ledger"),
        [
            (
                issue.id,
                issue.digest,
                issue.period,
                issue.state.value,
                issue.composed_at,
                issue.reason or issue_sum(issue),
            )
            for issue in found
        ],
        empty="there are no issues yet",
    )


def show(
    ctx: typer.Context,
    issue_id: IssueId,
    watching: Annotated[
        bool,
        typer.Option("--watch", help="Stay until it is finished, paused or cancelled; Ctrl-C only ends the watching."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one issue, its sums and pace and why some were not accepted; exit status 1 without a balance."""
    from dataclasses import asdict

    from syndicate.cli.watching import watch
    from syndicate.pipeline.compose.editing import contents
    from syndicate.service.status import pace_document, pace_now
    from syndicate.service.stopping import stop_on_signal
    from syndicate.store.issues import get_issue, issue_reasons
    from syndicate.store.joint_mails import joined_issues
    from syndicate.store.waves import waves_to_come

    call = invocation(ctx, as_json)
    with call.services() as services:
        if watching:
            with stop_on_signal() as stop:
                watch(services, call.output, issue_id, stop)
        with services.database.read() as session:
            issue = get_issue(session, issue_id)
            reasons = issue_reasons(session, issue_id)
            pace = pace_now(session, issue, services.clock())
            made = contents(session, issue_id)
            waves = waves_to_come(session, issue_id, services.clock())
            joined = joined_issues(session, issue_id)
    document = issue_document(issue) | {
        "rate": pace and pace_document(pace),
        "reasons": [asdict(reason) for reason in reasons],
        "waves": [asdict(wave) for wave in waves],
        "joined": [{"issue": number, "digest": digest, "mails": mails} for number, digest, mails in joined],
        "edits": made.edits.document(),
        "articles": [asdict(article) for article in made.articles],
        "events": [{"event": each.event, "at": each.at, "by": each.by} for each in made.events],
    }
    (call.output.line if watching else call.output.document)(document)
    call.output.table(
        ("", ""),
        [(key.replace("_", " "), value) for key, value in issue_document(issue).items() if key != "counts"],
    )
    call.output.text(issue_sum(issue))
    for number, digest, mails in joined:
        call.output.text(f"{mails} in one mail with issue {number} ({digest})")
    if pace is not None:
        call.output.text(pace_line(pace))
    if waves:
        call.output.table(
            ("next waves (local delivery time)", "recipients"), [(wave.due_at, wave.recipients) for wave in waves]
        )
    if reasons:
        call.output.text()
        call.output.table(
            ("deliveries", "state", "why"),
            [(r.count, state_word(r.state), reason_line(r.reason, r.code, r.reply)) for r in reasons],
        )
    _show_contents(call, made)
    if issue.state.value == "draft":
        call.output.text(draft_line(issue))
    if not issue.balanced:
        raise typer.Exit(1)


def _show_contents(call: Invocation, made: Contents) -> None:
    if made.articles:
        call.output.table(
            ("recipients", "article", "address", ""),
            [
                (
                    a.recipients,
                    a.title,
                    a.url or "",
                    " ".join(w for w in ("pinned", "dropped", "withdrawn") if getattr(a, w)),
                )
                for a in made.articles
            ],
        )
    if made.edits.any:
        call.output.text(edits_line(made.edits))
    for event in made.events:
        call.output.text(event_line(event))


def pause(ctx: typer.Context, issue_id: IssueId, as_json: JsonOption = False) -> None:
    """Pause a running issue; what is on the wire is finished, nothing more is begun."""
    from syndicate.pipeline import control

    _change(ctx, issue_id, as_json, control.pause)


def resume(ctx: typer.Context, issue_id: IssueId, as_json: JsonOption = False) -> None:
    """Let a paused issue go on."""
    from syndicate.pipeline import control

    _change(ctx, issue_id, as_json, control.resume)


def cancel(ctx: typer.Context, issue_id: IssueId, as_json: JsonOption = False) -> None:
    """Cancel an issue: what is queued or deferred is not sent; a draft's articles come with the next issue."""
    from syndicate.pipeline import control

    _change(ctx, issue_id, as_json, control.cancel)


def resolve(
    ctx: typer.Context,
    issue_id: IssueId,
    decision: Annotated[Decision, typer.Option("--as", help="resend them (same Message-ID), or skip them.")],
    as_json: JsonOption = False,
) -> None:
    """Decide what becomes of deliveries in doubt: their data went out and no answer was recorded."""
    from syndicate.pipeline import control

    call = invocation(ctx, as_json)
    with call.services() as services:
        issue, count = control.resolve(
            services.database, issue_id, how="resend" if decision is Decision.RESEND else "skip", now=services.clock()
        )
    call.output.document(issue_document(issue))
    call.output.text(f"{count} deliver{'y' if count == 1 else 'ies'} in doubt resolved as {decision}")
    _tell_queued(call, issue)


def retry(
    ctx: typer.Context,
    issue_id: IssueId,
    rejection: Annotated[
        Rejection | None, typer.Option("--class", help="Only those; default: all but dead addresses (hard).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Queue rejected deliveries again, such as after a block was lifted; accepted and suppressed ones never."""
    from syndicate.core.outcomes import BounceClass
    from syndicate.pipeline import control

    call = invocation(ctx, as_json)
    only = None if rejection is None else BounceClass(rejection.value)
    with call.services() as services:
        issue, count = control.retry(services.database, issue_id, only=only, now=services.clock())
    call.output.document(issue_document(issue) | {"retried": count})
    call.output.text(f"{count} rejected deliver{'y is' if count == 1 else 'ies are'} queued again")
    _tell_queued(call, issue)


def _tell_queued(call: Invocation, issue: Issue) -> None:
    from syndicate.model import IssueState

    call.output.text(issue_line(issue))
    if issue.counts.queued and issue.state is IssueState.RUNNING:
        call.output.text(f"`syndicate deliver {issue.id}` sends what is queued; so does `syndicate run`")


def _change(ctx: typer.Context, issue_id: int, as_json: bool, verb: Callable[[Database, int, datetime], Issue]) -> None:
    call = invocation(ctx, as_json)
    with call.services() as services:
        issue = verb(services.database, issue_id, services.clock())
    call.output.document(issue_document(issue))
    call.output.text(issue_line(issue))
