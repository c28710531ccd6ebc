"""How things stand: sources, feeds, next runs, running issues, and the alarms that make ``status`` exit with 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from syndicate.config.durations import format_duration
from syndicate.model import Issue, IssueState
from syndicate.service.wiring import Services
from syndicate.store.deliveries import oldest_due
from syndicate.store.issues import LIVE_STATES, list_issues
from syndicate.store.overview import (
    FeedStatus,
    SourceStatus,
    due_times,
    feed_statuses,
    source_statuses,
    subscription_counts,
    undecided,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that ``status`` tells."""

    now: datetime
    sources: list[SourceStatus]
    feeds: list[FeedStatus]
    next_runs: dict[str, datetime]
    running: list[Issue]
    last_skipped: list[Issue]
    subscriptions: dict[str, dict[str, int]]
    in_doubt: dict[int, int]
    alarms: list[str]

    def document(self) -> dict[str, Any]:
        """The status as plain values."""
        return asdict(self)


def read_status(services: Services) -> Status:
    """Read it all from one snapshot."""
    now = services.clock()
    with services.database.read() as session:
        sources = source_statuses(session)
        feeds = feed_statuses(session)
        next_runs = {name.removeprefix("digest/"): due_at for name, due_at in due_times(session).items()}
        running = list_issues(session, states=LIVE_STATES)
        skipped = list_issues(session, states=[IssueState.SKIPPED], limit=5)
        subscriptions = subscription_counts(session)
        doubts = undecided(session)
        waiting_since = oldest_due(session)
    return Status(
        now=now,
        sources=sources,
        feeds=feeds,
        next_runs=next_runs,
        running=running,
        last_skipped=skipped,
        subscriptions=subscriptions,
        in_doubt=doubts,
        alarms=_alarms(services, sources, feeds, next_runs, doubts, waiting_since, now),
    )


def alarms(services: Services) -> list[str]:
    """What an operator must look at now; empty when all is well."""
    return read_status(services).alarms


def _alarms(
    services: Services,
    sources: list[SourceStatus],
    feeds: list[FeedStatus],
    next_runs: dict[str, datetime],
    doubts: dict[int, int],
    waiting_since: datetime | None,
    now: datetime,
) -> list[str]:
    limit = services.settings.service.alarm_after
    found = []
    for source in sources:
        if source.source in services.settings.source and source.broken_since and now - source.broken_since >= limit:
            broken = format_duration(now - source.broken_since)
            found.append(f"source {source.source} has been broken for {broken}: {source.error}")
    found += [f"feed {feed.feed} could not be built: {feed.error}" for feed in feeds if feed.error]
    for name, due_at in next_runs.items():
        if now - due_at >= limit:
            found.append(f"digest {name} was due {format_duration(now - due_at)} ago and was not composed")
    if waiting_since is not None and now - waiting_since >= limit:
        waited = format_duration(now - waiting_since)
        found.append(f"deliveries have been due for {waited} and have not left: is `syndicate run` up, and the relay?")
    if services.settings.delivery.in_doubt == "ask":
        found += [
            f"issue {issue_id} has {count} deliver{'ies' if count != 1 else 'y'} in doubt: decide with "
            f"`syndicate issues resolve {issue_id} --as resend` or `--as skip`"
            for issue_id, count in doubts.items()
        ]
    return found
