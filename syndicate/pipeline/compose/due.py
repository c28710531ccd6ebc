"""Composes what is due: missed runs are caught up once, instant issues made as articles come.

A digest that cannot be composed stays due; the database remembers since when, so that ``status`` can tell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.durations import format_duration
from syndicate.config.sections import Digest
from syndicate.core.joining import may_join
from syndicate.core.periods import instant_key, rhythms
from syndicate.core.waves import clock_reading, not_before, opens_at
from syndicate.errors import StoreError, SyndicateError
from syndicate.model import Frequency, Issue
from syndicate.pipeline.compose.composing import Wanted, compose_together
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.pipeline.compose.runs import MISSED_AFTER, Run, frequencies_of, read_run, sources_down
from syndicate.pipeline.compose.timetable import schedule_name, set_schedules
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.facts import clear_failures, failures, note_failure
from syndicate.store.issues import period_exists, skip
from syndicate.store.schedules import Schedule, advance
from syndicate.store.waves import zones_of

log = logging.getLogger(__name__)

# So long it may take until the first reader of a zone further east has their wave in time.
ZONES_KNOWN_FOR = timedelta(minutes=5)
# After a failure to compose: so long is a digest left alone, longer each time.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(slots=True)
class Memory:
    """What a clock that asks every second remembers between its questions, per digest.

    ``zones``: those of a rhythm's readers, and when they were looked up. ``waiting``: the run that waits for a source.
    ``considered``: the sequence number up to which instant issues were looked for. ``pauses``: until when a digest that
    could not be composed is left alone, and how long the next pause is.
    """

    considered: dict[str, int] = field(default_factory=dict)
    zones: dict[str, tuple[datetime, tuple[str, ...]]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    pauses: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)

    def rests(self, digest: str, now: datetime) -> bool:
        return digest in self.pauses and now < self.pauses[digest][0]

    def failed(self, digest: str, now: datetime) -> None:
        _, pause = self.pauses.get(digest, (now, FIRST_PAUSE))
        self.pauses[digest] = (now + pause, min(pause * 2, LONGEST_PAUSE))


@dataclass(slots=True)
class Composed:
    """The issues made or skipped, and why a digest could not be composed: it stays due."""

    issues: list[Issue] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def compose_due(
    database: Database,
    settings: Settings,
    renderer: Callable[[], EditionRenderer],
    now: datetime,
    memory: Memory | None = None,
) -> Composed:
    """Compose every digest run that is due, and instant issues for new articles.

    One digest that cannot be composed (a broken template) stops no other; it stays due and is tried again.
    ``renderer`` is called for each issue, so that an edited template needs no restart.
    """
    desk = _Desk(database, settings, renderer, now, memory or Memory())
    result = Composed()
    found = set_schedules(database, settings, now)
    result.issues += desk.compose_joint(found)
    mended = []
    for name, digest in settings.digest.items():
        if desk.memory.rests(name, now):
            continue
        try:
            for issue in desk.compose(name, digest, found):
                result.issues.append(issue)  # one by one: those made before a failure are made
        except SyndicateError as error:
            log.error("digest %s was not composed and stays due: %s", name, error)
            result.failures[name] = str(error)
        except Exception as error:
            log.exception("digest %s was not composed and stays due. Please report this", name)
            result.failures[name] = f"unexpected {type(error).__name__}: {error}"
        else:
            desk.memory.pauses.pop(name, None)
            mended.append(name)
            continue
        desk.memory.failed(name, now)
    _remember(database, settings, result.failures, mended, now)
    return result


def _remember(
    database: Database, settings: Settings, failed: dict[str, str], composed: list[str], now: datetime
) -> None:
    """Keep in the database which digests cannot be composed; the next run of a process must know it, too."""
    with database.read() as session:
        known = failures(session)
    over = [name for name in known if name in composed or name not in settings.digest]
    fresh = {name: error for name, error in failed.items() if name not in known}
    if not over and not fresh:
        return
    try:
        with database.write() as session:
            clear_failures(session, over)
            for name, error in fresh.items():
                note_failure(session, name, error, now)
    except StoreError as error:
        # A database that takes no writes fails the digests, too; they were told, and are tried again.
        log.error("what failed could not be remembered: %s", error)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One look at what is due."""

    database: Database
    settings: Settings
    renderer: Callable[[], EditionRenderer]
    now: datetime
    memory: Memory
    #: Runs that need nothing more in this look.
    done: set[tuple[str, str]] = field(default_factory=set)

    def compose(self, name: str, digest: Digest, found: dict[str, Schedule]) -> Iterator[Issue]:
        for wanted in self._due(name, digest, found):
            yield from self._compose([wanted])

    def compose_joint(self, found: dict[str, Schedule]) -> list[Issue]:
        """Compose together what is due of the digests whose mails may be joined (``merge = "subscriber"``).

        Where that fails none of them is composed, and each is tried alone afterwards: one stops no other.
        """
        names = [name for name in may_join(self.settings.digest) if not self.memory.rests(name, self.now)]
        if len(names) < 2:  # noqa: PLR2004 - there is nothing to join with
            return []
        issues: list[Issue] = []
        try:
            wanted = [each for name in names for each in self._due(name, self.settings.digest[name], found)]
            # What comes to readers at different times is not one mail.
            for local in dict.fromkeys(each.local for each in wanted):
                together = [each for each in wanted if each.local == local]
                if len({each.digest for each in together}) > 1:
                    issues += self._compose(together)
                    self.done.update((each.digest, each.period) for each in together)
        except Exception as error:  # noqa: BLE001 - what it is shows when each is composed alone
            log.warning("digests %s are not joined this time: %s", ", ".join(names), error)
        return issues

    def _due(self, name: str, digest: Digest, found: dict[str, Schedule]) -> Iterator[Wanted]:
        for rhythm in rhythms(digest):
            schedule = found.get(schedule_name(name, rhythm))
            if schedule is not None:
                run = self._run(name, digest, rhythm, schedule)
                if run is not None:
                    yield run
        if Frequency.INSTANT in digest.frequencies and digest.schedule is None:
            instant = self._instant(name)
            if instant is not None:
                yield instant

    def _compose(self, wanted: Sequence[Wanted]) -> list[Issue]:
        issues = compose_together(self.database, self.renderer(), wanted, now=self.now)
        for each in wanted:
            if each.seq is not None:
                self.memory.considered[each.digest] = each.seq
        return [issue for each in issues for issue in _told(each)]

    def _run(self, name: str, digest: Digest, rhythm: str, schedule: Schedule) -> Wanted | None:
        run = read_run(self.settings, name, rhythm, schedule.due_at, self.now, self._opens(name, digest, rhythm))
        if run is None or (name, run.key) in self.done or self._waits_for_source(name, digest, run):
            return None

        def with_it(session: Session) -> None:
            for key, reason in run.skipped.items():
                skip(session, digest=name, period=key, reason=reason, now=self.now)
            advance(session, schedule.name, seen=schedule.due_at, due_at=run.following or _far(self.now), now=self.now)

        if run.period is None:
            with self.database.write() as session:
                with_it(session)
            for key, reason in run.skipped.items():
                log.info("digest %s %s: skipped, %s", name, key, reason)
            self.done.add((name, run.key))
            return None
        if run.late > MISSED_AFTER:
            late = format_duration(run.late)
            log.warning("digest %s %s was missed and is caught up %s late", name, run.period, late)
        frequencies = frequencies_of(rhythm)
        return Wanted(
            digest=name,
            period=run.period,
            frequencies=None if frequencies is None else tuple(frequencies),
            with_it=with_it,
            local=run.local,
        )

    def _opens(self, name: str, digest: Digest, rhythm: str) -> Callable[[datetime], datetime]:
        """When the run that is due at a time is to be composed: with its first wave."""
        zone = self.settings.digest_zone(name)
        if not digest.local:
            return lambda due: due

        def opens(due: datetime) -> datetime:
            reading = clock_reading(digest, due, zone)
            earliest = not_before(reading)
            # The readers' zones are looked up only when one of them could have its wave.
            return earliest if earliest > self.now else opens_at(reading, self._zones(name, rhythm), zone)

        return opens

    def _zones(self, name: str, rhythm: str) -> Sequence[str]:
        known = self.memory.zones.get(schedule_name(name, rhythm))
        if known is None or not timedelta(0) <= self.now - known[0] < ZONES_KNOWN_FOR:
            with self.database.read() as session:
                known = self.now, tuple(zones_of(session, name, frequencies_of(rhythm)))
            self.memory.zones[schedule_name(name, rhythm)] = known
        return known[1]

    def _waits_for_source(self, name: str, digest: Digest, run: Run) -> bool:
        """Whether a run waits for a source that is down. What it then goes without is told."""
        down = self.sources_down(digest) if run.period is not None and digest.grace else []
        if down and run.late < digest.grace:
            if self.memory.waiting.get(name) != run.period:
                until = format_duration(digest.grace)
                log.warning("digest %s %s waits up to %s for %s", name, run.period, until, ", ".join(down))
            self.memory.waiting[name] = run.period or ""
            return True
        self.memory.waiting.pop(name, None)
        if down:
            log.warning("digest %s %s goes without what is new in %s", name, run.period, ", ".join(down))
        return False

    def sources_down(self, digest: Digest) -> list[str]:
        with self.database.read() as session:
            return sources_down(session, self.settings, digest)

    def _instant(self, name: str) -> Wanted | None:
        with self.database.read() as session:
            seq = highest_seq(session)
            if seq <= self.memory.considered.get(name, 0) or period_exists(session, name, instant_key(seq)):
                return None
        return Wanted(digest=name, period=instant_key(seq), frequencies=(Frequency.INSTANT,), keep_empty=False, seq=seq)


def _far(now: datetime) -> datetime:
    return now.replace(year=now.year + 1000)


def _told(issue: Issue | None) -> list[Issue]:
    if issue is None:
        return []
    if issue.reason:
        log.info("digest %s %s: skipped, %s", issue.digest, issue.period, issue.reason)
    else:
        log.info("digest %s %s: composed for %d recipients", issue.digest, issue.period, issue.recipients)
    return [issue]
