"""The numbers of ``/metrics`` (Prometheus). docs/metrics.md has a line for each; a test holds both together.

What this process counted stands ready; what the database knows is read at most every ``FRESH`` seconds, by index.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from syndicate import __version__
from syndicate.errors import SyndicateError
from syndicate.model import DeliveryState, IssueState
from syndicate.service.alarms import find_alarms
from syndicate.service.wiring import Services
from syndicate.store import confirmations
from syndicate.store.listings import live_deliveries
from syndicate.store.outbox import backlogs
from syndicate.store.overview import SourceStatus, due_times, source_statuses
from syndicate.store.senders import sender_statuses
from syndicate.store.states import issues_in
from syndicate.store.waiting import oldest_due

log = logging.getLogger(__name__)
FRESH: Final = 15.0
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LIVE: Final = (IssueState.DRAFT, IssueState.SCHEDULED, IssueState.RUNNING, IssueState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the database said, and when it did (``time.monotonic``)."""

    at: float
    now: datetime
    up: bool
    deliveries: dict[str, int] = field(default_factory=dict)
    issues: dict[str, int] = field(default_factory=dict)
    due: dict[str, datetime | None] = field(default_factory=dict)
    late: dict[str, timedelta] = field(default_factory=dict)
    sources: list[SourceStatus] = field(default_factory=list)
    senders: int = 0
    owed: dict[str, tuple[int, int]] = field(default_factory=dict)
    alarms: int = 0


class Metrics(Collector):
    """One process's numbers. ``page`` is the histogram that the web part observes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as many lines again that nobody reads
        self._registry = CollectorRegistry()
        self._lock = Lock()
        self._known: _Known | None = None
        self.page = Histogram(
            "syndicate_http_request_duration_seconds",
            "Time from a request to the end of its answer, without feeds",
            ("method", "route", "status"),
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._registry.register(self)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering asks no database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The numbers beside the histogram."""
        yield from self._process()
        yield from self._counted()
        yield from self._from_database()

    def _process(self) -> Iterator[Metric]:
        about = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("syndicate_build", "This program", about | {"database": self._services.database.dialect})
        ticked_at = self._services.ticked_at
        if ticked_at is not None:
            lag = GaugeMetricFamily("syndicate_clock_lag_seconds", "Time since the clock of this process ticked")
            lag.add_metric([], max(0.0, time.monotonic() - ticked_at - 1.0))
            yield lag

    def _counted(self) -> Iterator[Metric]:
        counts = self._services.tally.counts()
        for name, key, about, labels in (
            ("syndicate_deliveries_recorded", "deliveries", "Outcomes that this process recorded", ("state", "relay")),
            ("syndicate_source_polls", "polls", "Readings of sources by this process", ("source", "result")),
            ("syndicate_source_articles", "articles", "Articles that they changed", ("source", "change")),
            ("syndicate_webhook_calls", "webhooks", "Messages to webhooks by this process", ("result",)),
            ("syndicate_feed_requests", "feeds", "Answers under /feeds by this process", ("status",)),
        ):
            family = CounterMetricFamily(name, about, labels=labels)
            for values, count in sorted(counts[key].items()):
                family.add_metric(list(values), count)
            yield family

    def _from_database(self) -> Iterator[Metric]:
        known = self._look()
        up = GaugeMetricFamily("syndicate_database_up", "Whether the database answered")
        up.add_metric([], float(known.up))
        yield up
        if not known.up:
            return
        yield _by("syndicate_deliveries", "Deliveries of issues that are not over", "state", known.deliveries)
        yield _by("syndicate_issues", "Issues that are not over", "state", known.issues)
        age = {what: _seconds(known.now, due_at) for what, due_at in known.due.items()}
        yield _by("syndicate_queue_age_seconds", "How long the oldest due mail has waited", "queue", age)
        late = {name: lag.total_seconds() for name, lag in known.late.items()}
        yield _by("syndicate_schedule_lag_seconds", "How late the run of a digest is that is due", "digest", late)
        yield _by(
            "syndicate_source_ok_timestamp_seconds",
            "When a source was last read to its end",
            "source",
            {each.source: each.ok_at.timestamp() for each in known.sources if each.ok_at},
        )
        problems = {each.source: each.problems for each in known.sources}
        yield _by("syndicate_source_problems", "Items of a source that cannot be taken", "source", problems)
        owed = {name: counts[0] for name, counts in known.owed.items()}
        yield _by("syndicate_webhook_owed", "Messages that a webhook is owed", "webhook", owed)
        given_up = {name: counts[1] for name, counts in known.owed.items()}
        yield _by("syndicate_webhook_given_up", "Messages that were given up", "webhook", given_up)
        for name, about, value in (
            ("syndicate_senders", "Processes that send now", known.senders),
            ("syndicate_alarms", "What an operator must look at", known.alarms),
        ):
            gauge = GaugeMetricFamily(name, about)
            gauge.add_metric([], value)
            yield gauge

    def _look(self) -> _Known:
        with self._lock:
            known = self._known
            if known is None or time.monotonic() - known.at > FRESH:
                known = self._known = self._read()
            return known

    def _read(self) -> _Known:
        services = self._services
        now = services.clock()
        try:
            with services.database.read() as session:
                live = issues_in(session, _LIVE)
                running = [number for number, state in live if state == IssueState.RUNNING]
                found = live_deliveries(session, [number for number, _ in live]) if live else {}
                return _Known(
                    at=time.monotonic(),
                    now=now,
                    up=True,
                    deliveries={state.value: found.get(state.value, 0) for state in DeliveryState},
                    issues={state.value: sum(each == state for _, each in live) for state in _LIVE},
                    due={
                        "deliveries": oldest_due(session) if running else None,
                        "confirmations": confirmations.next_due(session),
                    },
                    late={
                        name.removeprefix("digest/"): max(timedelta(), now - due_at)
                        for name, due_at in due_times(session).items()
                    },
                    sources=source_statuses(session),
                    senders=sum(each.alive for each in sender_statuses(session, now)),
                    owed={each.webhook: (each.owed, each.given_up) for each in backlogs(session)},
                    alarms=len(find_alarms(session, services.settings, now)),
                )
        except SyndicateError as error:
            log.warning("metrics: %s", error)
            return _Known(at=time.monotonic(), now=now, up=False)


def _by(name: str, about: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _seconds(now: datetime, due_at: datetime | None) -> float:
    return 0.0 if due_at is None else max(0.0, (now - due_at).total_seconds())
