"""What one process does and when. APScheduler ticks in memory; what is due is asked of the database.

So any number of processes make each run once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from syndicate.config.sources import PolledSource
from syndicate.core.websub import CHANGES_EVERY
from syndicate.errors import SyndicateError
from syndicate.io.heartbeat import ping
from syndicate.pipeline.compose import Memory
from syndicate.pipeline.compose.editing import Watch
from syndicate.pipeline.ingest import Source
from syndicate.pipeline.publish import compress_best
from syndicate.service.alarms import alarms
from syndicate.service.following import read_called
from syndicate.service.inboxes import look_into_all
from syndicate.service.notices import tell_operator
from syndicate.service.passes import (
    READERS_AT_ONCE,
    build_feeds,
    call_webhook,
    clean_up,
    compose_due,
    poll_source,
    settle_drafts,
    take_out_withdrawn,
)
from syndicate.service.sending import confirm_due, deliver_due
from syndicate.service.websub import ask_hubs, end_leases, leave_hubs, tell_hubs, work_as_hub
from syndicate.service.wiring import Services
from syndicate.store.articles import highest_revision, next_due
from syndicate.store.confirmations import next_due as next_confirmation_due
from syndicate.store.outbox import next_message
from syndicate.store.schedules import claim_poll, next_polls
from syndicate.store.waiting import work_waiting

log = logging.getLogger(__name__)

# SIGTERM allows 10 s; what is not done by then is safe to leave: every stage goes on from its last commit.
DRAIN = 8.0
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
UPKEEP_EVERY = timedelta(hours=6)
# Feeds are looked at anew this often although no revision changed: a file may have been removed, an article expired.
FEEDS_LOOK = timedelta(minutes=1)
# Twenty documents each time, 80 ms each: a sixth of a core at most, until all that changed are done.
COMPRESS_EVERY = timedelta(seconds=10)
# No relay may be given anything: looked at again after this at the latest.
RELAYS_LOOK = timedelta(seconds=15)
NOTICES_EVERY = timedelta(seconds=30)
# A hub's call is answered by a reading of its feed after half of this on average.
CALLS_LOOK = timedelta(seconds=0.5)
# So many seconds the first feeds wait for the first reading of the sources.
FIRST_READING = 10.0
READERS = "readers"
CALLERS = "callers"
# A webhook that took nothing of what it was sent is left alone for so long.
WEBHOOK_PAUSE = timedelta(seconds=30)


class Clock:
    """The ticks of one process. Each kind of work runs in one thread at a time: slow work delays only its own kind."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.stop = threading.Event()
        executors = {
            "default": ThreadPoolExecutor(16),
            READERS: ThreadPoolExecutor(READERS_AT_ONCE),
            CALLERS: ThreadPoolExecutor(max(1, len(services.settings.webhook))),
        }
        self._scheduler = BackgroundScheduler(executors=executors, timezone="UTC")
        self._reading: set[str] = set()
        self._calling: set[str] = set()
        self._webhooks_wait_until: dict[str, datetime] = {}
        self._polled = False
        self._began = time.monotonic()
        self._memory = Memory()
        self._watch = Watch()
        self._revision = -1
        self._feeds_looked: datetime | None = None
        self._hubs_left = False
        self._relays_wait_until: datetime | None = None
        self._confirmations_wait_until: datetime | None = None
        self._pauses: dict[str, tuple[datetime, timedelta]] = {}
        for name, work, seconds in (
            ("tick", self.tick, 1),
            ("poll", self.poll, 1),
            ("called", self.called, CALLS_LOOK.total_seconds()),
            ("following", self.following, 1),
            ("feeds", self.feeds, 1),
            ("compress", self.compress, COMPRESS_EVERY.total_seconds()),
            ("hubs", self.hubs, CHANGES_EVERY.total_seconds()),
            ("hub", self.hub, 1),
            ("compose", self.compose, 1),
            ("drafts", self.drafts, 1),
            ("deliver", self.deliver, 1),
            ("confirm", self.confirm, 1),
            ("webhooks", self.webhooks, 1),
            ("returns", self.returns, 1),
            ("notices", self.notices, NOTICES_EVERY.total_seconds()),
            ("heartbeat", self.heartbeat, services.settings.service.heartbeat_interval.total_seconds()),
            ("upkeep", self.upkeep, UPKEEP_EVERY.total_seconds()),
        ):
            self._scheduler.add_job(
                self._guarded,
                "interval",
                args=(name, work),
                seconds=seconds,
                id=name,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=services.clock() + timedelta(seconds=0 if seconds <= 1 else min(seconds, 60)),
            )

    def start(self) -> None:
        """Begin to tick."""
        self.tick()
        self._scheduler.start()

    def close(self, within: float = DRAIN) -> bool:
        """Ask all work to stop and wait for it; False when some of it was still going on after so many seconds."""
        self.stop.set()
        self._scheduler.pause()
        done = threading.Event()

        def wait() -> None:
            self._scheduler.shutdown(wait=True)
            done.set()

        threading.Thread(target=wait, name="drain", daemon=True).start()
        return done.wait(within)

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        """Run one kind of work; after a failure it pauses, longer each time, so that the log is not flooded."""
        now = self.services.clock()
        paused_until, pause = self._pauses.get(name, (now, FIRST_PAUSE))
        if self.stop.is_set() or now < paused_until:
            return
        try:
            work()
        except SyndicateError as error:
            log.error("%s: %s", name, error)
        except Exception:
            log.exception("%s: unexpected; it goes on after a pause. Please report this", name)
        else:
            self._pauses.pop(name, None)
            return
        self._pauses[name] = (self.services.clock() + pause, min(pause * 2, LONGEST_PAUSE))

    def tick(self) -> None:
        """Show that the clock goes: a work of its own, since all others may be busy for long (``/readyz``)."""
        self.services.ticked_at = time.monotonic()

    def _wake(self, name: str) -> None:
        """Have a kind of work done now, not at its next tick."""
        with suppress(JobLookupError):  # the clock is being closed
            self._scheduler.modify_job(name, next_run_time=self.services.clock())

    def poll(self) -> None:
        """Have the sources read whose time has come, each in a thread of its own: one that hangs stops no other."""
        services = self.services
        now = services.clock()
        with services.database.read() as session:
            known = next_polls(session)
        for source in services.sources():
            due_at = known.get(source.name)
            if self.stop.is_set() or source.name in self._reading or (due_at is not None and due_at > now):
                continue
            config = services.settings.source[source.name]
            assert isinstance(config, PolledSource)  # noqa: S101 - only those have readers
            interval = config.poll_interval
            with services.database.write() as session:
                if not claim_poll(session, source.name, interval=interval, now=now):
                    continue
            if self.stop.is_set():
                return  # the scheduler waits for this very work now, and takes no more
            self._reading.add(source.name)
            self._scheduler.add_job(self._read, args=(source,), executor=READERS, misfire_grace_time=None)
        self._polled = True

    def _read(self, source: Source) -> None:
        try:
            self._guarded(f"source {source.name}", partial(poll_source, self.services, source))
        finally:
            self._reading.discard(source.name)

    def called(self) -> None:
        """Read the feeds that hubs called, beside a slow poll of others."""
        read_called(self.services, stop=self.stop)

    def following(self) -> None:
        """Ask the hubs of feeds that we follow; at first, take leave of those that the configuration has dropped."""
        if not self._hubs_left:
            leave_hubs(self.services)
            self._hubs_left = True
        ask_hubs(self.services, stop=self.stop)

    def feeds(self) -> None:
        """Rebuild feeds when articles changed or became publishable, and now and then to be sure."""
        services = self.services
        now = services.clock()
        with services.database.read() as session:
            revision, due_at = highest_revision(session), next_due(session)
        looked = self._feeds_looked
        if looked is None and not self._first_reading_done():
            return
        fresh = revision == self._revision and looked is not None and now - looked < FEEDS_LOOK
        if fresh and (due_at is None or due_at > now):
            return
        # Each second only the feeds that changed, each minute a look at all files.
        results = build_feeds(services, verify=looked is None or now - looked >= FEEDS_LOOK)
        changed = sum(result.changed for result in results)
        if changed:
            log.info("feeds: %d documents written", changed)
            self._wake("hubs")
        # The revision from before: what was polled while the feeds were built waits a tick for its turn, not a minute.
        self._revision = revision
        if looked is None or now - looked >= FEEDS_LOOK:
            self._feeds_looked = now

    def _first_reading_done(self) -> bool:
        """Whether the sources were read since the start: else the first feeds would be written, and told of, twice."""
        return (self._polled and not self._reading) or time.monotonic() - self._began > FIRST_READING

    def compress(self) -> None:
        """Make the twins of the latest documents smaller than a publication has time for."""
        compress_best(self.services.database, self.services.settings, stopping=self.stop.is_set)

    def hubs(self) -> None:
        """Tell WebSub hubs what changed."""
        tell_hubs(self.services, stop=self.stop, wake=lambda: self._wake("hub"))

    def hub(self) -> None:
        """Do the work of our own WebSub hub."""
        work_as_hub(self.services, stop=self.stop)

    def compose(self) -> None:
        """Compose the digest runs that are due."""
        compose_due(self.services, self._memory)

    def drafts(self) -> None:
        """Settle the drafts whose deadline has come, and take withdrawn articles out of what has not gone yet."""
        settle_drafts(self.services)
        take_out_withdrawn(self.services, self._watch)

    def deliver(self) -> None:
        """Deliver what is due; a relay that does not work is left alone for a while."""
        services = self.services
        if services.database.dialect == "postgresql":
            return  # the worker beside this clock does it (worker.py)
        with services.database.read() as session:
            if not work_waiting(session, services.clock()):
                return
        now = services.clock()
        if self._relays_wait_until is not None and now < self._relays_wait_until:
            return
        result = deliver_due(services, stop=self.stop)
        if result is not None:
            # Looked at again before that time: an operator may have ended the wait.
            self._relays_wait_until = result.waits_until and min(result.waits_until, now + RELAYS_LOOK)
            if result.stopped_by is not None:
                raise result.stopped_by

    def confirm(self) -> None:
        """Send the confirmation mails that are due; likewise."""
        services = self.services
        with services.database.read() as session:
            due_at = next_confirmation_due(session)
        now = services.clock()
        if due_at is None or due_at > now:
            return
        if self._confirmations_wait_until is not None and now < self._confirmations_wait_until:
            return
        result = confirm_due(services, stop=self.stop)
        if result is not None:
            self._confirmations_wait_until = result.waits_until and min(result.waits_until, now + RELAYS_LOOK)
        if result is not None and result.stopped_by is not None:
            raise result.stopped_by

    def webhooks(self) -> None:
        """Hand over what webhooks are owed, each in a thread of its own: one that hangs stops no other."""
        services = self.services
        if not services.settings.webhook:
            return
        now = services.clock()
        with services.database.read() as session:
            due_at = next_message(session)
        if due_at is None or due_at > now:
            return
        for name in services.settings.webhook:
            if name not in self._calling and self._webhooks_wait_until.get(name, now) <= now:
                self._calling.add(name)
                self._scheduler.add_job(self._call, args=(name,), executor=CALLERS, misfire_grace_time=None)

    def _call(self, name: str) -> None:
        def work() -> None:
            called = call_webhook(self.services, name, stop=self.stop)
            if called.failed and not called.delivered:
                self._webhooks_wait_until[name] = self.services.clock() + WEBHOOK_PAUSE

        try:
            self._guarded(f"webhook {name}", work)
        finally:
            self._calling.discard(name)

    def returns(self) -> None:
        """Look into the mailboxes where bounces arrive, each when its time has come."""
        settings = self.services.settings
        if settings.mailbox or settings.bounce.maildir is not None:
            look_into_all(self.services, stop=self.stop)

    def notices(self) -> None:
        """Write to the operator what is to be known at once."""
        tell_operator(self.services)

    def heartbeat(self) -> None:
        """Ask the dead-man address when all is well; silence there is the alarm."""
        url = self.services.settings.service.heartbeat_url
        found = alarms(self.services)
        for alarm in found:
            log.error("alarm: %s", alarm)
        if url and not found:
            error = ping(url)
            if error:
                log.warning("heartbeat_url: %s", error)

    def upkeep(self) -> None:
        """Remove what is kept no longer."""
        end_leases(self.services)
        leave_hubs(self.services)
        clean_up(self.services, stop=self.stop)
