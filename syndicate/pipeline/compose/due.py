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
from syndicate.core.periods import SCHEDULE, instant_key, period_key, rhythms, runs_until
from syndicate.errors import StoreError, SyndicateError
from syndicate.model import Frequency, Issue
from syndicate.pipeline.compose.composing import Wanted, compose_together
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.pipeline.compose.timetable import following_run, schedule_name, set_schedules
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.facts import clear_failures, failures, note_failure
from syndicate.store.issues import period_exists, skip
from syndicate.store.schedules import Schedule, advance

log = logging.getLogger(__name__)

# A run later than this was missed: the service was down, or could not compose. Its being late is told to the operator.
MISSED_AFTER = timedelta(hours=1)
# After a year without service nobody needs a row for each of the days.
MOST_MISSED = 32
# After a failure to compose: so long is a digest left alone, longer each time.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(slots=True)
class Memory:
    """What a clock that asks every second remembers between its questions, per digest.

    ``considered``: the sequence number up to which instant issues were looked for. ``pauses``: until when a digest that
    could not be composed is left alone, and how long the next pause is.
    """

    considered: dict[str, int] = field(default_factory=dict)
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
        try:
            wanted = [each for name in names for each in self._due(name, self.settings.digest[name], found)]
            if len({each.digest for each in wanted}) < 2:  # noqa: PLR2004
                return []
            issues = self._compose(wanted)
        except Exception as error:  # noqa: BLE001 - what it is shows when each is composed alone
            log.warning("digests %s are not joined this time: %s", ", ".join(names), error)
            return []
        self.done.update((each.digest, each.period) for each in wanted)
        return issues

    def _due(self, name: str, digest: Digest, found: dict[str, Schedule]) -> Iterator[Wanted]:
        for rhythm in rhythms(digest):
            schedule = found.get(schedule_name(name, rhythm))
            if schedule is not None and schedule.due_at <= self.now:
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
        now, zone = self.now, self.settings.digest_zone(name)
        runs = runs_until(digest, rhythm, first=schedule.due_at, until=now, zone=zone, limit=MOST_MISSED)
        last, period = runs[-1], period_key(rhythm, runs[-1], zone)
        if (name, period) in self.done:
            return None
        late = now - last
        following = following_run(self.settings, name, rhythm, now)

        def with_it(session: Session) -> None:
            for missed in runs[:-1]:
                key = period_key(rhythm, missed, zone)
                if key != period:  # the repeated hour of a daylight change
                    skip(session, digest=name, period=key, reason=f"missed; its articles go with {period}", now=now)
            advance(session, schedule.name, seen=schedule.due_at, due_at=following or _far(now), now=now)

        if late > MISSED_AFTER and not digest.catch_up:
            reason = f"missed by {format_duration(late)}: the service was down or could not compose it; catch_up is off"
            with self.database.write() as session:
                with_it(session)
                skip(session, digest=name, period=period, reason=reason, now=now)
            log.warning("digest %s %s: %s", name, period, reason)
            self.done.add((name, period))
            return None
        if late > MISSED_AFTER:
            log.warning("digest %s %s was missed and is caught up %s late", name, period, format_duration(late))
        frequencies = None if rhythm == SCHEDULE else (rhythm,)
        return Wanted(digest=name, period=period, frequencies=frequencies, with_it=with_it)

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
