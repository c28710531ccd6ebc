"""Sequences of stages: poll and publish, compose what is due, send a digest now, one pass of everything."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from syndicate.config.sources import PolledSource
from syndicate.core.addresses import parse_address
from syndicate.core.periods import manual_key
from syndicate.errors import SyndicateError
from syndicate.model import Envelope, Issue, IssueState, Outcome, PollResult
from syndicate.pipeline import compose as composing
from syndicate.pipeline import webhooks
from syndicate.pipeline.compose import Composed, Memory, compose, editing, sample_envelope
from syndicate.pipeline.deliver import DeliverResult
from syndicate.pipeline.ingest import Source, ingest
from syndicate.pipeline.publish import FeedResult, publish
from syndicate.pipeline.upkeep import prune
from syndicate.pipeline.webhooks import Called
from syndicate.service.inboxes import look_into_all
from syndicate.service.notices import tell_operator
from syndicate.service.sending import confirm_due, deliver_due, deliver_queued
from syndicate.service.websub import ask_hubs, end_leases, leave_hubs, tell_hubs, work_as_hub
from syndicate.service.wiring import Services
from syndicate.store.articles import number_due
from syndicate.store.issues import get_issue
from syndicate.store.outbox import next_message
from syndicate.store.overview import source_statuses

log = logging.getLogger(__name__)
# So many sources are read at once; one that hangs has a thread of its own until its time is up.
READERS_AT_ONCE = 4


def poll(services: Services, names: Iterable[str] = (), *, insist: bool = False) -> list[PollResult]:
    """Read sources now, a few at once: a broken one is reported and stops no other, a slow one holds up none.

    ``insist``: feeds are asked although they want to be asked later. The results are in the order of the sources.
    """
    sources = services.sources(names, insist=insist)
    # Opened here: two threads would each bring the schema up to date.
    _ = services.database
    with ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="reader") as pool:
        found = list(pool.map(partial(poll_source, services), sources))
    take_out_withdrawn(services)
    return found


def poll_source(services: Services, source: Source) -> PollResult:
    """Read one source and log what came of it."""
    # One reading of a source at a time: an older answer of its server must not be written after a newer one.
    with services.turn(source.name):
        result = ingest(services.database, source, services.settings, services.clock())
    services.tally.polled(result)
    if result.error:
        log.error("source %s: %s", result.source, result.error)
    for problem in result.problems:
        log.warning("source %s: %s: %s", result.source, problem.item, problem.error)
    for warning in result.warnings:
        log.warning("source %s: %s: %s", result.source, warning.item, warning.error)
    if result.changed:
        log.info(
            "source %s: %d added, %d updated, %d withdrawn",
            result.source,
            result.added,
            result.updated,
            result.withdrawn,
        )
    return result


def never_polled(services: Services) -> list[str]:
    """The configured sources whose articles cannot be here yet: nobody has read them since they were configured."""
    with services.database.read() as session:
        polled = {status.source for status in source_statuses(session) if status.polled_at is not None}
    return [
        name
        for name, source in services.settings.source.items()
        if isinstance(source, PolledSource) and name not in polled
    ]


def build_feeds(services: Services, names: Sequence[str] = (), *, verify: bool = True) -> list[FeedResult]:
    """Number what has become publishable, then write the documents that changed; ``verify`` looks at every file."""
    now = services.clock()
    services.database.repeat(lambda session: number_due(session, now))
    results = publish(services.database, services.settings, now, names or None, verify=verify)
    for result in results:
        if result.error:
            log.error("feed %s: %s", result.feed, result.error)
        for problem in result.problems:
            log.warning("feed %s: %s left out: %s", result.feed, problem.item, problem.error)
    return results


def take_out_withdrawn(services: Services, watch: editing.Watch | None = None) -> editing.TakenOut:
    """Take withdrawn articles out of drafts and of what is queued; ``watch`` makes a look without news a small one."""
    return editing.take_out_withdrawn(services.database, lambda: services.renderer, services.clock(), watch)


def settle_drafts(services: Services) -> list[Issue]:
    """Send, or let lapse, the drafts whose deadline has come."""
    return editing.settle_overdue(services.database, lambda: services.renderer, services.clock())


def compose_due(services: Services, memory: Memory | None = None) -> Composed:
    """Compose every digest run that is due, and instant issues for new articles."""
    now = services.clock()
    return composing.compose_due(services.database, services.settings, lambda: services.renderer, now, memory)


@dataclass(slots=True, kw_only=True)
class SendResult:
    """A manual send: the issue as it stands, and what stopped its delivery, if anything."""

    issue: Issue
    stopped_by: SyndicateError | None = None


def send(
    services: Services,
    digest: str,
    *,
    wait: bool,
    stop: threading.Event,
    progress: Callable[[int], None] = lambda _count: None,
    tell: Callable[[str], None] = log.error,
    composed: Callable[[Issue], None] = lambda _issue: None,
) -> SendResult:
    """Compose an issue now for all confirmed subscriptions, and deliver it; returns when nothing is queued or sending.

    ``composed`` hears of the issue before the first of it leaves.
    When another process is sending from this database (``syndicate run``), it does the work and this one watches.
    """
    _ = services.signer  # a key file that cannot be read stops it here, and not when the issue is frozen
    now = services.clock()
    issue = compose(services.database, services.renderer, digest, period=manual_key(now), frequencies=None, now=now)
    if issue is None:
        raise AssertionError("a manual issue is stored even when it is skipped")
    if issue.state is not IssueState.RUNNING or not wait:
        return SendResult(issue=issue)
    composed(issue)
    while not stop.is_set():
        result = deliver_queued(services, stop=stop, issues=[issue.id], progress=progress, tell=tell)
        issue = _read(services, issue.id)
        if result is not None and (result.stopped_by is not None or issue.counts.queued):
            return SendResult(issue=issue, stopped_by=result.stopped_by)
        if issue.state is not IssueState.RUNNING or not (issue.counts.queued or issue.counts.sending):
            break
        time.sleep(0.3)
    return SendResult(issue=issue)


def send_test(services: Services, digest: str, address: str) -> tuple[Outcome, str]:
    """Send one copy to an editor; nothing of it stands on the ledger. Returns the answer and the subject."""
    to = parse_address(address).email
    tools = services.database, services.renderer, services.personal, services.keyring
    envelope, subject = sample_envelope(*tools, digest, to=to, now=services.clock())
    return _send_one(services, envelope), subject


def send_draft_test(services: Services, issue_id: int, address: str) -> tuple[Outcome, str]:
    """The same of a draft, as edited."""
    to = parse_address(address).email
    tools = services.database, services.renderer, services.personal, services.keyring
    envelope, subject = editing.test_envelope(*tools, issue_id, to=to, now=services.clock())
    return _send_one(services, envelope), subject


def _send_one(services: Services, envelope: Envelope) -> Outcome:
    connection = services.sender.connect()
    try:
        return connection.send(envelope._replace(data=services.signed(envelope.data)))
    finally:
        connection.close()


def _read(services: Services, issue_id: int) -> Issue:
    with services.database.read() as session:
        return get_issue(session, issue_id)


def clean_up(services: Services, *, stop: threading.Event) -> None:
    """Remove what is kept no longer: bodies, rows and versions beyond the times of the settings."""
    result = prune(services.database, services.settings, services.clock(), stopping=stop.is_set)
    for problem in result.problems:
        log.error("upkeep: %s", problem)


def call_webhook(services: Services, name: str, *, stop: threading.Event) -> Called:
    """Hand over what one webhook is owed, and log what came of it."""
    called = webhooks.call(services.database, services.settings, name, clock=services.clock, stop=stop)
    services.tally.called(delivered=called.delivered, failed=called.failed, given_up=called.given_up)
    if called.failed:
        log.warning(
            "webhook %s: %d messages taken, %d not taken (%s); these are tried again",
            name,
            called.delivered,
            called.failed,
            called.error,
        )
    elif called.delivered:
        log.info("webhook %s: %d messages taken", name, called.delivered)
    return called


def call_webhooks(services: Services, *, stop: threading.Event) -> None:
    """Hand over what webhooks are owed, to all of them at once."""
    names = list(services.settings.webhook)
    with services.database.read() as session:
        due_at = next_message(session) if names else None
    if due_at is None or due_at > services.clock():
        return
    with ThreadPoolExecutor(len(names), thread_name_prefix="webhook") as pool:
        for done in [pool.submit(call_webhook, services, name, stop=stop) for name in names]:
            done.result()


@dataclass(slots=True, kw_only=True)
class OnceResult:
    """What one pass of everything did."""

    sources: list[PollResult] = field(default_factory=list)
    feeds: list[FeedResult] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    confirmed: DeliverResult | None = None
    delivered: DeliverResult | None = None


def run_once(services: Services, *, stop: threading.Event, tell: Callable[[str], None] = log.error) -> OnceResult:
    """Poll, build, compose what is due, deliver what is due, and remove what is kept no longer."""
    result = OnceResult(sources=poll(services), feeds=build_feeds(services))
    if stop.is_set():
        return result
    tell_hubs(services, stop=stop)
    settle_drafts(services)
    composed = compose_due(services)
    result.issues, result.failures = composed.issues, composed.failures
    result.confirmed = confirm_due(services, stop=stop, tell=tell)
    if not stop.is_set():
        result.delivered = deliver_due(services, stop=stop, tell=tell)
    result.issues = [_read(services, issue.id) for issue in result.issues]
    work_as_hub(services, stop=stop)
    end_leases(services)
    leave_hubs(services)
    ask_hubs(services, stop=stop)
    if not stop.is_set():
        look_into_all(services, stop=stop, insist=True)
    tell_operator(services)
    call_webhooks(services, stop=stop)
    clean_up(services, stop=stop)
    return result
