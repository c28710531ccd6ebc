"""What an operator must look at now: what was due and did not happen, what stays broken, what waits for a decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.durations import format_duration
from syndicate.core.bounces.inbox_names import is_configured
from syndicate.service.limits import all_wait
from syndicate.service.wiring import Services
from syndicate.store import confirmations
from syndicate.store.facts import failures
from syndicate.store.inboxes import inboxes
from syndicate.store.issue_pauses import paused_by_itself
from syndicate.store.issues import unbalanced
from syndicate.store.overview import due_times, feed_statuses, source_statuses, undecided
from syndicate.store.waiting import oldest_due

_MINUTE = timedelta(minutes=1)


def alarms(services: Services) -> list[str]:
    """The alarms, each a line; empty when all is well."""
    with services.database.read() as session:
        return find_alarms(session, services.settings, services.clock())


def find_alarms(session: Session, settings: Settings, now: datetime) -> list[str]:
    """The same from a snapshot."""
    return [
        *_sources(session, settings, now),
        *(f"feed {feed.feed} could not be built: {feed.error}" for feed in feed_statuses(session) if feed.error),
        *_digests(session, settings, now),
        *_mail(session, settings, now),
        *_doubts(session, settings),
        *_returns(session, settings, now),
        *unbalanced(session).values(),
    ]


def _sources(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    limit = settings.service.alarm_after
    for source in source_statuses(session):
        if source.source not in settings.source:
            continue
        since, due_at = source.broken_since, source.next_poll_at
        if since and now - since >= limit:
            yield f"source {source.source} has been broken for {_span(now - since)}: {source.error}"
        elif due_at and now - max(due_at, source.polled_at or due_at) >= limit:
            yield (
                f"source {source.source} was due {_span(now - due_at)} ago and was not read to its end: "
                "is `syndicate run` up, and does the source answer?"
            )


def _digests(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    """Runs that are late, with the reason if one is known; then digests of which only instant issues could be late."""
    limit = settings.service.alarm_after
    failed = failures(session)
    late = set()
    for schedule, due_at in due_times(session).items():
        name = schedule.removeprefix("digest/")
        if now - due_at < limit:
            continue
        digest = name.rpartition("/")[0]
        late.add(digest)
        reason = f": {failed[digest].error}" if digest in failed else ""
        yield f"digest {name} was due {_span(now - due_at)} ago and was not composed{reason}"
    for digest, failure in failed.items():
        if digest in settings.digest and digest not in late and now - failure.since >= limit:
            yield f"digest {digest} could not be composed for {_span(now - failure.since)}: {failure.error}"


def _mail(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    for what, due_at in (("deliveries", oldest_due(session)), ("confirmation mails", confirmations.next_due(session))):
        if what == "deliveries" and all_wait(session, settings, now):
            continue
        if due_at is not None and now - due_at >= settings.service.alarm_after:
            waited = _span(now - due_at)
            yield f"{what} have been due for {waited} and have not left: is `syndicate run` up, and the relay?"


def _returns(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    for issue_id, reason in paused_by_itself(session).items():
        yield (
            f"issue {issue_id} was {reason}: look at `syndicate issues show {issue_id}`, then "
            f"`syndicate issues resume {issue_id}` or `cancel`"
        )
    for inbox in inboxes(session):
        since = inbox.broken_since
        if since is not None and now - since >= settings.service.alarm_after and is_configured(inbox.name, settings):
            yield f"bounces could not be read for {_span(now - since)}: {inbox.error}"


def _doubts(session: Session, settings: Settings) -> Iterator[str]:
    if settings.delivery.in_doubt != "ask":
        return
    for issue_id, count in undecided(session).items():
        yield (
            f"issue {issue_id} has {count} deliver{'ies' if count != 1 else 'y'} in doubt: decide with "
            f"`syndicate issues resolve {issue_id} --as resend` or `--as skip`"
        )


def _span(time: timedelta) -> str:
    """How long ago, without what nobody wants to know of it."""
    return format_duration(timedelta(minutes=time // timedelta(minutes=1)) if time >= _MINUTE else time)
