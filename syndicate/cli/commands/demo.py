"""``demo``: the whole way on the sample articles, then the pages until Ctrl-C."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import issue_document, issue_line
from syndicate.cli.program import program

if TYPE_CHECKING:
    from syndicate.service.demo import Demonstration
    from syndicate.service.samples import DemoServices


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
    from syndicate.service.demo import demonstrate
    from syndicate.service.samples import DemoServices, demo_settings

    call = invocation(ctx, as_json)
    call.config = folder / "config.toml"
    call.settings = demo_settings(folder, os.environ)
    with call.opened(DemoServices(call.settings)) as services:
        made = demonstrate(services)
        _tell(call, services, made)
        if leave:
            return
        _serve(call, services)


def _tell(call: Invocation, services: DemoServices, made: Demonstration) -> None:
    from syndicate.service.demo import mails_in

    settings = services.settings
    command = program() if call.config == Path("config.toml") else f"{program()} -c {quote(_near(call.config))}"
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
    say.text(f"  feeds      {_near(settings.feeds_path)}/   rss.xml, atom.xml and feed.json of each feed")
    say.text(f"  messages   {_near(outbox)}/   a Maildir, {mails_in(outbox)} messages")
    say.text(f"  ledger     {_near(settings.database_path)}")
    say.text()
    say.text("Try:")
    for line in (f"mutt -f {quote(_near(outbox))}", f"{command} issues list", f"{command} status"):
        say.text(f"  {line}")


def _near(path: Path | None) -> str:
    """A path as one would type it from here."""
    place = (path or Path()).absolute()
    return str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)


def _serve(call: Invocation, services: DemoServices) -> None:
    from syndicate.service.run import run
    from syndicate.service.samples import PICTURES
    from syndicate.web.app import make_app

    def ready() -> None:
        call.output.text()
        call.output.text(f"The pages are at {services.settings.service.public_url} until Ctrl-C.")

    status = run(services, make_app(services, pictures=PICTURES), ready=ready)
    if status:
        raise typer.Exit(status)
