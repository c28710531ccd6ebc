"""``poll`` and ``feeds``: from the sources into the article store, and from there to the feed documents."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.feed_checks import EPILOG, check_feeds
from syndicate.cli.program import program

SourceNames = Annotated[
    list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Only these sources; default: all.")
]
FeedNames = Annotated[list[str] | None, typer.Argument(metavar="[FEED]...", help="Only these feeds; default: all.")]


def register(app: typer.Typer) -> None:
    """Add ``poll`` and the group ``feeds``."""
    app.command(
        "poll", epilog=example("syndicate poll", "syndicate poll stories --json", "syndicate poll --withdraw old-cms")
    )(poll)
    group = typer.Typer(no_args_is_help=True, help="The published feed documents.", rich_markup_mode=None)
    group.command("build", epilog=example("syndicate feeds build", "syndicate feeds build port --json"))(build)
    group.command("list", epilog=example("syndicate feeds list --json"))(list_feeds)
    group.command("check", epilog=EPILOG)(check_feeds)
    app.add_typer(group, name="feeds")


def poll(
    ctx: typer.Context,
    sources: SourceNames = None,
    withdraw: Annotated[
        str | None,
        typer.Option(
            "--withdraw", metavar="NAME", help="First withdraw the articles of a source removed from the file."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read sources now: what is new, changed or gone since the last time."""
    from dataclasses import asdict

    from syndicate.pipeline.ingest import withdraw_source
    from syndicate.service import passes
    from syndicate.store.sources import unconfigured

    call = invocation(ctx, as_json)
    with call.services() as services:
        if withdraw is not None:
            count = withdraw_source(services.database, withdraw, services.settings, services.clock())
            call.output.text(f"source {withdraw}: {count} articles withdrawn")
        results = passes.poll(services, dict.fromkeys(sources or ()), insist=True)
        with services.database.read() as session:
            left = unconfigured(session, services.settings.source)
    call.output.document({"sources": [asdict(result) for result in results], "unconfigured": left})
    call.output.table(
        ("source", "seen", "added", "updated", "withdrawn", "error"),
        [(r.source, r.seen, r.added, r.updated, r.withdrawn, r.error) for r in results],
        empty="no sources are configured",
    )
    for result in results:
        for problem in result.problems:
            call.output.note(f"source {result.source}: {problem.item}: {problem.error}")
        for warning in result.warnings:
            call.output.note(f"source {result.source}: warning: {warning.item}: {warning.error}")
    for name, articles in left.items():
        call.output.note(
            f"source {name} is no longer configured; its {articles} articles stay in feeds and digests until "
            f"`syndicate poll --withdraw {name}`"
        )
    if any(result.error for result in results):
        raise typer.Exit(1)


def build(ctx: typer.Context, feeds: FeedNames = None, as_json: JsonOption = False) -> None:
    """Write the feed documents whose bytes changed."""
    from syndicate.core.feeds import listed_feeds
    from syndicate.service import passes

    call = invocation(ctx, as_json)
    names = list(dict.fromkeys(feeds or ()))
    listed = {feed.name for feed in listed_feeds(call.settings)}
    for name in names:
        if name not in listed:
            call.settings.named_feed(name)  # says which there are
    with call.services() as services:
        results = passes.build_feeds(services, names)
        unread = passes.never_polled(services)
    call.output.document(
        {
            "feeds": [
                {
                    "feed": result.feed,
                    "documents": result.documents,
                    "changed": result.changed,
                    "entries": result.entries,
                    "error": result.error,
                }
                for result in results
            ]
        }
    )
    call.output.table(
        ("feed", "documents", "changed", "entries", "error"),
        [(r.feed, r.documents, r.changed, r.entries, r.error) for r in results],
        empty="no feeds are configured",
    )
    if unread and results:
        many = len(unread) > 1
        call.output.note(
            f"source{'s' * many} {', '.join(unread)} {'were' if many else 'was'} never polled, so the feeds hold no "
            f"article of {'theirs' if many else 'it'}: run `{program()} poll` first"
        )
    if any(result.error for result in results):
        raise typer.Exit(1)


def list_feeds(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the configured feeds and those of public digests' issues, with their addresses."""
    from syndicate.core.feeds import listed_feeds
    from syndicate.model import FeedFormat

    call = invocation(ctx, as_json)
    found = [
        {
            "feed": feed.name,
            "title": feed.title,
            "addresses": [
                f"{call.settings.service.public_url}/feeds/{feed.name}/{form.file_name}"
                for form in FeedFormat
                if form in feed.formats
            ],
        }
        for feed in listed_feeds(call.settings)
    ]
    call.output.document({"feeds": found})
    call.output.table(
        ("feed", "title", "address"),
        [(feed["feed"], feed["title"], address) for feed in found for address in feed["addresses"]],
        empty="no feeds are configured",
    )
