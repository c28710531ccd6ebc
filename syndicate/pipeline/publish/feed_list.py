"""The file ``feeds.opml``: every feed there is, for readers that follow everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.feeds import Outline, opml
from syndicate.core.feeds.autodiscovery import BEST_FIRST
from syndicate.pipeline.publish.files import Placed, place
from syndicate.pipeline.publish.wanted import PublicFeed, address
from syndicate.store.feeds import DocumentRecord, FeedRecord

PATH = "feeds.opml"


def place_feed_list(
    settings: Settings,
    wanted: Mapping[str, PublicFeed],
    living: Iterable[FeedRecord],
    before: DocumentRecord | None,
    now: datetime,
) -> Placed:
    """Write the list if it changed: configured feeds in the order of the settings, those below one in a group."""
    below: dict[str, list[Outline]] = {}
    own: dict[str, Outline] = {}
    count = 0
    for row in living:
        feed = wanted.get(row.base)
        if feed is None or row.revision < 0:  # never built: there is nothing to follow
            continue
        count += 1
        if row.kind:
            below.setdefault(row.base, []).append(_outline(settings, feed, row))
        else:
            own[row.base] = _outline(settings, feed, row)
    outlines = []
    for name, feed in wanted.items():
        if name in own:
            outlines.append(own[name])
        if name in below:
            outlines.append(Outline(title=feed.title, outlines=tuple(below[name])))
    data = opml(settings.site.title or settings.service.public_url, outlines)
    record = DocumentRecord(
        path=PATH, feed="", format="opml", content_hash="", size=len(data), entries=count, changed_at=now
    )
    return place(settings.feeds_path, record, data, before, now)


def _outline(settings: Settings, feed: PublicFeed, row: FeedRecord) -> Outline:
    # Readers of lists take any of the XML formats, although OPML calls them all "rss".
    form = next(form for form in BEST_FIRST if form in feed.feed.formats)
    return Outline(
        title=row.title,
        xml_url=f"{address(settings, row.name)}/{form.file_name}",
        html_url=f"{address(settings, row.name)}/",
        language=row.term if row.kind == "language" else None,
    )
