"""``run``, ``web`` and ``status``: the service and how it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run", epilog=example("syndicate run", "syndicate run --once --json"))(run)
    app.command("web", epilog=example("syndicate web"))(web)
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
        call.output.note(f"serving {services.settings.service.public_url} on {services.settings.service.listen}")
        status = run_service(services, make_app(services))
    raise typer.Exit(status)


def _once(ctx: typer.Context, as_json: bool) -> None:
    from dataclasses import asdict

    from syndicate.service.passes import run_once
    from syndicate.service.stopping import stop_on_signal

    call = invocation(ctx, as_json)
    with call.services() as services, stop_on_signal() as stop:
        result = run_once(services, stop=stop)
    delivered = result.delivered
    call.output.document(
        {
            "sources": [asdict(source) for source in result.sources],
            "feeds": [asdict(feed) for feed in result.feeds],
            "issues": [issue_document(issue) for issue in result.issues],
            "failures": result.failures,
            "outcomes": {state.value: count for state, count in delivered.outcomes.items()} if delivered else {},
        }
    )
    for source in result.sources:
        call.output.text(
            f"source {source.source}: "
            + (source.error or f"{source.added} added, {source.updated} updated, {source.withdrawn} withdrawn")
        )
        for problem in source.problems:
            call.output.note(f"source {source.source}: {problem.item}: {problem.error}")
    for feed in result.feeds:
        call.output.text(f"feed {feed.feed}: {feed.error or f'{feed.changed} of {feed.documents} documents written'}")
    for issue in result.issues:
        call.output.text(issue_line(issue))
    if delivered is None:
        call.output.note("another process is sending from this database; it does that part")
    elif delivered.stopped_by is not None:
        call.output.note(str(delivered.stopped_by))
    for name, failure in result.failures.items():
        call.output.note(f"{name}: {failure}")
    broken = any(source.error for source in result.sources) or any(feed.error for feed in result.feeds)
    if broken or result.failures or (delivered is not None and delivered.stopped_by is not None):
        raise typer.Exit(1)


def web(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Serve the pages and feeds alone, without the clock."""
    from syndicate.service.run import run as run_service
    from syndicate.web.app import make_app

    call = invocation(ctx, as_json)
    call.verbose = True
    with call.services() as services:
        call.output.note(f"serving {services.settings.service.public_url} on {services.settings.service.listen}")
        status = run_service(services, make_app(services), work=False)
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
    for issue in (*found.running, *found.last_skipped):
        say.text(issue_line(issue))
    for alarm in found.alarms:
        say.text(f"ALARM: {alarm}")
    if found.alarms:
        raise typer.Exit(1)
    say.text("all is well")
