"""The demonstration: the sample articles end to end. What it works on is laid out in ``samples.py``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syndicate.model import Issue, PollResult
from syndicate.pipeline.members.import_chunk import Imported, ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.pipeline.publish import FeedResult
from syndicate.service import passes, sending
from syndicate.service.samples import DemoServices
from syndicate.shipped import shipped
from syndicate.store.sources import hold, shift_dates

# The newest sample article is dated so; the demo lays it shortly before its first run.
SAMPLES_END = datetime(2026, 11, 20, 7, tzinfo=UTC)
BEFORE_FIRST_RUN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What the demo did."""

    sources: list[PollResult]
    feeds: list[FeedResult]
    readers: Imported
    issues: list[Issue]


def demonstrate(services: DemoServices) -> Demonstration:
    """Read the samples, sign up the readers, compose and send their digests, build the feeds.

    Doing it again is harmless.
    """
    settings = services.settings
    now = services.clock()
    shift = now - BEFORE_FIRST_RUN - SAMPLES_END
    with services.database.write() as session:
        for name in services.samples:
            if not hold(session, name)[1]:
                shift_dates(session, name, timedelta(minutes=shift // timedelta(minutes=1)))
    sources = passes.poll(services)
    with (shipped("examples") / "readers.csv").open("rb") as lines:
        readers = import_subscribers(
            services.database,
            settings,
            services.keyring,
            lines,
            ImportRules(confirmed=True, origin="readers.csv"),
            now=now,
            report=lambda _number, _problem: None,
        )
    stop = threading.Event()
    issues = [passes.send(services, name, wait=True, stop=stop).issue for name in settings.digest]
    confirmed = sending.confirm_due(services, stop=stop)
    if confirmed is not None and confirmed.stopped_by is not None:
        raise confirmed.stopped_by
    feeds = passes.build_feeds(services)  # last: the issue that was mailed stands in a feed, too
    return Demonstration(sources=sources, feeds=feeds, readers=readers, issues=issues)


def mails_in(outbox: Path) -> int:
    """How many messages a Maildir holds."""
    return sum(1 for part in ("new", "cur") if (outbox / part).is_dir() for _ in (outbox / part).iterdir())
