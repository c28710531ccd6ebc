"""``demo``: the whole way on the sample articles, then the pages until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line

if TYPE_CHECKING:
    from syndicate.service.demo import Demonstration
    from syndicate.service.wiring import Services


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog=example("syndicate demo", "syndicate demo --dir /tmp/demo --exit"))(demo)


def demo(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where feeds, outbox and database are written; default: here.")
    ] = Path(),
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the summary instead of serving the pages.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the sample articles, write the feeds, sign up the sample readers, send their digests into a Maildir."""
    from syndicate.service.demo import demo_settings, demonstrate

    call = invocation(ctx, as_json)
    folder.mkdir(parents=True, exist_ok=True)
    call.settings = demo_settings(folder)
    with call.services() as services:
        made = demonstrate(services)
        _tell(call, services, made)
        if leave:
            return
        _serve(call, services)


def _tell(call: Invocation, services: Services, made: Demonstration) -> None:
    from syndicate.service.demo import mails_in

    settings = services.settings
    outbox = settings.path(settings.delivery.outbox)
    say = call.output
    say.document(
        {
            "sources": [{"source": s.source, "seen": s.seen, "added": s.added, "error": s.error} for s in made.sources],
            "feeds": [
                {"feed": f.feed, "documents": f.documents, "changed": f.changed, "entries": f.entries}
                for f in made.feeds
            ],
            "issues": [issue_document(issue) for issue in made.issues],
            "feeds_dir": settings.feeds_path,
            "outbox": outbox,
            "database": settings.database_path,
        }
    )
    for source in made.sources:
        say.text(f"source {source.source}: {source.seen} articles seen, {source.added} new")
    for feed in made.feeds:
        say.text(f"feed {feed.feed}: {feed.entries} entries in {feed.documents} documents, {feed.changed} written")
    for issue in made.issues:
        say.text(issue_line(issue))
    say.text()
    say.text("Where to look:")
    say.text(f"  feeds      {settings.feeds_path}")
    say.text(f"  messages   {outbox} ({mails_in(outbox)} messages; `mutt -f` opens it)")
    say.text(f"  ledger     {settings.database_path} (`syndicate issues list`, `syndicate status`)")


def _serve(call: Invocation, services: Services) -> None:
    from syndicate.service.run import run
    from syndicate.web.app import make_app

    call.output.text(f"  pages      {services.settings.service.public_url} (until Ctrl-C)")
    status = run(services, make_app(services))
    if status:
        raise typer.Exit(status)
