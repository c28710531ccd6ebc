"""How things stand: sources, feeds, next runs, running issues and their pace. What is wrong with it: ``alarms.py``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from syndicate.core.bounces.inbox_names import is_configured
from syndicate.core.pace import Pace, pace_of, window_start
from syndicate.model import DeliveryState, Issue, IssueState
from syndicate.service.alarms import find_alarms
from syndicate.service.limits import LimitStatus, limit_statuses
from syndicate.service.wiring import Services
from syndicate.store import confirmations
from syndicate.store.confirmations import ConfirmationsWaiting
from syndicate.store.facts import Failure, failures
from syndicate.store.feed_readers import FeedReaders, feed_readers
from syndicate.store.following import FollowStatus, follow_statuses
from syndicate.store.hub_deliveries import TopicSubscribers, topic_subscribers
from syndicate.store.inboxes import Inbox, inboxes
from syndicate.store.issues import LIVE_STATES, list_issues
from syndicate.store.overview import (
    FeedStatus,
    SourceStatus,
    Unserved,
    due_times,
    ended_since,
    feed_statuses,
    source_statuses,
    subscription_counts,
    undecided,
    unserved,
)
from syndicate.store.senders import SenderStatus, WorkerStatus, sender_statuses, worker_statuses
from syndicate.store.waves import later_waves
from syndicate.store.websub import PingTrouble, ping_troubles

READERS_SHOWN = timedelta(days=7)  # of feeds, by day


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that ``status`` tells. ``not_composed``: digests that failed, whether or not it is an alarm yet."""

    now: datetime
    sources: list[SourceStatus]
    feeds: list[FeedStatus]
    next_runs: dict[str, datetime]
    not_composed: dict[str, Failure]
    running: list[Issue]
    paces: list[Pace]
    last_skipped: list[Issue]
    subscriptions: dict[str, dict[str, int]]
    unserved: list[Unserved]
    in_doubt: dict[int, int]
    limits: list[LimitStatus]
    confirmations: ConfirmationsWaiting
    senders: list[SenderStatus]
    workers: list[WorkerStatus]
    hub: list[TopicSubscribers]
    hub_troubles: list[PingTrouble]
    following: list[FollowStatus]
    feed_readers: list[FeedReaders]
    inboxes: list[Inbox]
    alarms: list[str]

    def document(self) -> dict[str, Any]:
        """The status as plain values; the paces are its ``rates``."""
        document = asdict(self)
        del document["paces"]
        document["rates"] = [pace_document(pace) for pace in self.paces]
        return document


def pace_document(pace: Pace) -> dict[str, Any]:
    """A pace as plain values."""
    return asdict(pace) | {"accepted_per_minute": pace.accepted_per_minute}


def read_status(services: Services) -> Status:
    """Read it all from one snapshot."""
    now, settings = services.clock(), services.settings
    with services.database.read() as session:
        running = list_issues(session, states=LIVE_STATES)
        return Status(
            now=now,
            sources=source_statuses(session),
            feeds=feed_statuses(session),
            next_runs={name.removeprefix("digest/"): due_at for name, due_at in due_times(session).items()},
            not_composed={name: why for name, why in failures(session).items() if name in settings.digest},
            running=running,
            paces=[pace for issue in running if (pace := pace_now(session, issue, now)) is not None],
            last_skipped=list_issues(session, states=[IssueState.SKIPPED], limit=5),
            subscriptions=subscription_counts(session),
            unserved=unserved(session, settings.digest),
            in_doubt=undecided(session),
            limits=limit_statuses(session, settings, now),
            confirmations=confirmations.waiting(session),
            senders=sender_statuses(session, now),
            workers=worker_statuses(session),
            hub=topic_subscribers(session, now),
            hub_troubles=ping_troubles(session),
            following=follow_statuses(session),
            feed_readers=feed_readers(session, (now - READERS_SHOWN).date().isoformat()),
            inboxes=[one for one in inboxes(session) if is_configured(one.name, settings)],
            alarms=find_alarms(session, settings, now),
        )


def pace_now(session: Session, issue: Issue, now: datetime) -> Pace | None:
    """How fast a running issue goes out lately; None for one that does not run or has not begun."""
    if issue.state is not IssueState.RUNNING or issue.started_at is None:
        return None
    since = window_start(issue.started_at, now)
    ended = ended_since(session, issue.id, since)
    return pace_of(
        issue=issue.id,
        accepted=ended.get(DeliveryState.ACCEPTED, 0),
        ended=sum(ended.values()),
        # What waits for a later wave is not what the time left is reckoned of.
        waiting=issue.counts.queued + issue.counts.sending - later_waves(session, issue.id, now),
        since=since,
        now=now,
    )
