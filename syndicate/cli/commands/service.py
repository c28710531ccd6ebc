"""``run``, ``web``, ``worker`` and ``status``: the service and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line, outcomes_document, outcomes_line, pace_line
from syndicate.cli.drafts import draft_line
from syndicate.cli.output import counted, shown
from syndicate.errors import UsageError

if TYPE_CHECKING:
    from syndicate.service.limits import LimitStatus
    from syndicate.service.passes import OnceResult
    from syndicate.service.status import Status
    from syndicate.store.senders import SenderStatus


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run", epilog=example("syndicate run", "syndicate run --once --json"))(run)
    app.command("web", epilog=example("syndicate web"))(web)
    app.command("worker", epilog=example("syndicate worker", "syndicate worker --watch 127.0.0.1:9464"))(worker)
    app.command("status", epilog=example("syndicate status", "syndicate status --json || mail-the-operator"))(status)


def run(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Poll, build, compose and deliver what is due, then exit.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything in one process: clock, sources, feeds, digests and pages. SIGTERM ends it in order."""
    from syndicate.service.run import run as run_service
    from syndicate.web.app import make_app

    call = invocation(ctx, as_json)
    call.verbose = not once
    if once:
        _once(ctx, as_json)
        return
    with call.services() as services:
        status = run_service(services, make_app(services), ready=lambda: _serving(call))
    raise typer.Exit(status)


def _serving(call: Invocation) -> None:
    service = call.settings.service
    call.output.note(f"serving {service.public_url} on {service.listen}")


def _once(ctx: typer.Context, as_json: bool) -> None:
    from dataclasses import asdict

    from syndicate.service.passes import run_once
    from syndicate.service.stopping import stop_on_signal

    call = invocation(ctx, as_json)
    with call.services() as services, stop_on_signal() as stop:
        result = run_once(services, stop=stop, tell=call.output.note)
    delivered = result.delivered
    call.output.document(
        {
            "sources": [asdict(source) for source in result.sources],
            "feeds": [asdict(feed) for feed in result.feeds],
            "issues": [issue_document(issue) for issue in result.issues],
            "failures": result.failures,
            "outcomes": outcomes_document(delivered),
            "confirmations": outcomes_document(result.confirmed),
        }
    )
    _tell_once(call, result)
    stops = [each.stopped_by for each in (result.confirmed, delivered) if each and each.stopped_by]
    broken = any(source.error for source in result.sources) or any(feed.error for feed in result.feeds)
    if broken or result.failures or stops:
        raise typer.Exit(1)


def _tell_once(call: Invocation, result: OnceResult) -> None:
    for source in result.sources:
        call.output.text(
            f"source {source.source}: "
            + (source.error or f"{source.added} added, {source.updated} updated, {source.withdrawn} withdrawn")
        )
        for problem in (*source.problems, *source.warnings):
            call.output.note(f"source {source.source}: {problem.item}: {problem.error}")
    for feed in result.feeds:
        call.output.text(f"feed {feed.feed}: {feed.error or f'{feed.changed} of {feed.documents} documents written'}")
    for issue in result.issues:
        call.output.text(issue_line(issue))
    for what, done in (("deliveries", result.delivered), ("confirmation mails", result.confirmed)):
        if line := outcomes_line(done):
            call.output.text(f"{what}: {line}")
    if result.delivered is None:
        call.output.note("another process is sending from this database; it does that part")
    stops = (each.stopped_by for each in (result.confirmed, result.delivered) if each and each.stopped_by)
    for stop in dict.fromkeys(str(error) for error in stops):  # the two parts share a relay and a disk
        call.output.note(stop)
    for name, failure in result.failures.items():
        call.output.note(f"{name}: {failure}")


def web(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Serve the pages and feeds alone, without the clock."""
    from syndicate.service.run import run as run_service
    from syndicate.web.app import make_app

    call = invocation(ctx, as_json)
    call.verbose = True
    with call.services() as services:
        status = run_service(services, make_app(services), work=False, ready=lambda: _serving(call))
    raise typer.Exit(status)


def worker(
    ctx: typer.Context,
    connections: Annotated[
        int | None, typer.Option("--connections", min=1, max=200, metavar="N", help="Connections to the relay at most.")
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option("--watch", metavar="ADDRESS:PORT", help="Answer /healthz, /readyz and /metrics there."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send alone, beside any number of others on any number of machines; needs PostgreSQL. SIGTERM ends it in order."""
    from syndicate.config.values import listen_address
    from syndicate.service.run import run as run_service
    from syndicate.service.worker import Worker

    call = invocation(ctx, as_json)
    call.verbose = True
    at = None
    if watch is not None:
        try:
            host, _, port = listen_address(watch).rpartition(":")
        except ValueError as error:
            raise UsageError(f"--watch: {error}") from error
        at = host.strip("[]") or "127.0.0.1", int(port)
    with call.services() as services:
        part = Worker(services, connections=connections)
        ready = f"sending from {services.database.label} through {services.sender.label}"
        app = None
        if at is not None:
            from syndicate.web.watching import make_watch_app  # a worker that nobody watches has no need of it

            app = make_watch_app(services)
        status = run_service(services, app, work=False, parts=[part], at=at, ready=lambda: call.output.note(ready))
    raise typer.Exit(status)


def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show how things stand; exit status 1 when something needs an operator."""
    from syndicate.service.status import read_status

    call = invocation(ctx, as_json)
    with call.services() as services:
        found = read_status(services)
    call.output.document(
        found.document()
        | {
            "running": [issue_document(issue) for issue in found.running],
            "last_skipped": [issue_document(issue) for issue in found.last_skipped],
        }
    )
    say = call.output
    say.table(
        ("source", "articles", "polled", "problems", "error"),
        [(s.source, s.articles, s.polled_at, s.problems, s.error) for s in found.sources],
        empty="no source was polled yet",
    )
    say.table(("feed", "entries", "built", "error"), [(f.feed, f.entries, f.built_at, f.error) for f in found.feeds])
    say.table(
        ("digest", *("unconfirmed", "confirmed", "unsubscribed")),
        [(name, *counts.values()) for name, counts in found.subscriptions.items()],
    )
    say.table(("next run", "due"), list(found.next_runs.items()))
    say.table(
        ("readers on", "feed", "counted", "announced"),
        [(f.day, f.feed, f.readers, f.announced) for f in found.feed_readers],
    )
    _tell_hubs(call, found)
    if found.inboxes:
        say.table(
            ("bounces by", "read", "ours", "error"), [(i.name, i.read_at, i.applied, i.error) for i in found.inboxes]
        )
    for issue in (*found.running, *found.last_skipped):
        say.text(draft_line(issue) if issue.state.value == "draft" else issue_line(issue))
    _tell_senders(call, found)
    for line in (*map(pace_line, found.paces), *map(_limit_line, found.limits)):
        say.text(line)
    for name, failure in found.not_composed.items():
        say.text(f"digest {name} cannot be composed since {shown(failure.since)}: {failure.error}")
    for unserved in found.unserved:
        say.text(f"note: {unserved}")
    for alarm in found.alarms:
        say.text(f"ALARM: {alarm}")
    if found.alarms:
        raise typer.Exit(1)
    troubled = found.hub_troubles or found.not_composed or any(source.error for source in found.sources)
    say.text("no alarm so far: what has an error is tried again" if troubled else "all is well")


def _tell_hubs(call: Invocation, found: Status) -> None:
    say = call.output
    if found.hub:
        say.table(
            ("topic of our hub", "subscribers", "owed", "failing"),
            [(t.topic, t.subscribers, t.owed, t.failing) for t in found.hub],
        )
    for trouble in found.hub_troubles:
        then = f"again at {trouble.next_at}" if trouble.next_at else "given up until it changes again"
        say.text(f"hub {trouble.hub} was not told of {trouble.topic} ({then}): {trouble.error}")
    if found.following:
        say.table(
            ("followed feed", "hub", "state", "until", "error"),
            [(f.feed, f.hub, f.state.value, f.expires_at, f.error) for f in found.following],
        )


def _tell_senders(call: Invocation, found: Status) -> None:
    say = call.output
    if found.senders:
        say.table(
            ("sending", "since", "last sign of life", "on the wire", "issue", "batch", "connections"),
            [_sender_row(sender) for sender in found.senders],
        )
    owed = found.confirmations
    if owed.queued or owed.deferred or owed.sending:
        after = f", next at {shown(owed.next_at)}" if owed.next_at is not None else ""
        say.text(
            f"confirmation mails: {owed.queued} queued, {owed.deferred} deferred, {owed.sending} being sent{after}"
        )
    if found.workers:
        say.text(f"{counted(len(found.workers), 'worker')}, at work or waiting for a batch")


def _sender_row(sender: SenderStatus) -> tuple[Any, ...]:
    seats = ", ".join(f"{count} to {relay}" for relay, count in sender.connections.items())
    seen = shown(sender.seen_at) if sender.alive else f"{shown(sender.seen_at)}: silent, taken for dead"
    return f"{sender.host}, process {sender.pid}", sender.since, seen, sender.sending, sender.issue, sender.batch, seats


def _limit_line(limit: LimitStatus) -> str:
    if limit.day is not None:
        return f"{limit.what}: day {limit.day} of its warm-up, {limit.taken} of {limit.allowed} messages"
    line = f"{limit.what}: paused until {shown(limit.paused_until)}" if limit.paused_until else f"{limit.what}: slowed"
    share = f", {limit.share:.0%} of its rate and connections" if limit.share < 1 else ""
    return f"{line}{share} ({limit.reason})"
