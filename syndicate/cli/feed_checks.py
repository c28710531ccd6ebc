"""``feeds check``: what our own rules find in the published documents, in files, and behind addresses."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.output import counted

EPILOG = example("syndicate feeds check", "syndicate feeds check rss.xml https://courier.example/feed.json --json")
Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE|URL]...",
        help="Files, folders of feeds, or web addresses; default: all documents that are published.",
    ),
]


def check_feeds(ctx: typer.Context, places: Places = None, as_json: JsonOption = False) -> None:
    """Judge feeds in RSS 2.0, Atom and JSON Feed by the rules of docs/feeds.md; exit status 1 when there are errors."""
    from syndicate.pipeline.check_feeds import check_places, check_published

    call = invocation(ctx, as_json)
    checked = []
    # Files and addresses need no configuration: any feed can be checked from anywhere.
    for feed in check_places(places) if places else check_published(call.settings):
        checked.append(feed)
        for finding in feed.findings:
            call.output.text(f"{feed.place}: {finding}")
    errors, warnings = sum(feed.errors for feed in checked), sum(feed.warnings for feed in checked)
    call.output.document(
        {"feeds": [feed.as_dict() for feed in checked], "checked": len(checked), "errors": errors, "warnings": warnings}
    )
    if checked:
        call.output.text(f"{len(checked)} checked: {counted(errors, 'error')}, {counted(warnings, 'warning')}")
    else:
        call.output.text("nothing is published yet; write the documents with: syndicate feeds build")
    if errors:
        raise typer.Exit(1)
