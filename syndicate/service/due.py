"""Which digest runs are due: schedules in the database, missed runs caught up once, instant issues as articles come."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config.durations import format_duration
from syndicate.config.sections import Digest
from syndicate.core.periods import SCHEDULE, instant_key, next_run, period_key, rhythms, runs_until
from syndicate.errors import SyndicateError
from syndicate.model import Frequency, Issue
from syndicate.pipeline.compose import compose
from syndicate.service.wiring import Services
from syndicate.store.articles import highest_seq
from syndicate.store.issues import period_exists, skip
from syndicate.store.schedules import Schedule, advance, drop_schedules, schedules, set_schedule

log = logging.getLogger(__name__)

# A run later than this was missed: the service was down, or could not compose. Its being late is told to the operator.
MISSED_AFTER = timedelta(hours=1)
# After a year without service nobody needs a row for each of the days.
MOST_MISSED = 32
# After a failure to compose: so long is a digest left alone, longer each time.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)


def schedule_name(digest: str, rhythm: str) -> str:
    """The name of a rhythm's schedule: ``digest/morning/daily``."""
    return f"digest/{digest}/{rhythm}"


def set_schedules(services: Services, now: datetime) -> dict[str, Schedule]:
    """Enter the schedules of the configuration; one whose rule changed gets its next time from now on."""
    wanted: dict[str, tuple[str, str]] = {}
    for name, digest in services.settings.digest.items():
        for rhythm in rhythms(digest):
            wanted[schedule_name(name, rhythm)] = (name, rhythm)
    with services.database.read() as session:
        found = schedules(session)
    changed = {
        schedule: pair
        for schedule, pair in wanted.items()
        if schedule not in found or found[schedule].rule_hash != _rule_hash(services, *pair)
    }
    stale = {schedule for schedule in found if schedule.startswith("digest/") and schedule not in wanted}
    if not changed and not stale:
        return found
    with services.database.write() as session:
        drop_schedules(session, stale)
        for schedule, (name, rhythm) in changed.items():
            if schedule in found and found[schedule].due_at <= now:
                # It was due under the old rule while the service was down: that run must not vanish without a word.
                key = period_key(rhythm, found[schedule].due_at, services.settings.digest_zone(name))
                reason = "its time was changed in the configuration before it was made"
                skip(session, digest=name, period=key, reason=reason, now=now)
            due_at = _next(services, name, rhythm, now)
            if due_at is not None:
                set_schedule(session, schedule, rule_hash=_rule_hash(services, name, rhythm), due_at=due_at)
        session.flush()
        return schedules(session)


def _rule_hash(services: Services, name: str, rhythm: str) -> str:
    digest = services.settings.named_digest(name)
    rule = (
        rhythm,
        digest.send_at,
        digest.weekly_on,
        digest.monthly_on,
        digest.schedule,
        services.settings.digest_zone(name),
    )
    return hashlib.sha256(repr([str(part) for part in rule]).encode()).hexdigest()[:16]


def _next(services: Services, name: str, rhythm: str, after: datetime) -> datetime | None:
    return next_run(services.settings.named_digest(name), rhythm, after=after, zone=services.settings.digest_zone(name))


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


def compose_due(services: Services, now: datetime, memory: Memory | None = None) -> Composed:
    """Compose every digest run that is due, and instant issues for new articles.

    One digest that cannot be composed (a broken template) stops no other; it stays due and is tried again.
    """
    memory = memory or Memory()
    result = Composed()
    found = set_schedules(services, now)
    for name, digest in services.settings.digest.items():
        if memory.rests(name, now):
            continue
        try:
            for rhythm in rhythms(digest):
                schedule = found.get(schedule_name(name, rhythm))
                if schedule is not None and schedule.due_at <= now:
                    result.issues += _compose_run(services, name, digest, rhythm, schedule, now)
            if Frequency.INSTANT in digest.frequencies and digest.schedule is None:
                result.issues += _compose_instant(services, name, now, memory)
        except SyndicateError as error:
            log.error("digest %s was not composed and stays due: %s", name, error)
            result.failures[name] = str(error)
        except Exception as error:
            log.exception("digest %s was not composed and stays due. Please report this", name)
            result.failures[name] = f"unexpected {type(error).__name__}: {error}"
        else:
            memory.pauses.pop(name, None)
            continue
        memory.failed(name, now)
    return result


def _compose_run(
    services: Services, name: str, digest: Digest, rhythm: str, schedule: Schedule, now: datetime
) -> list[Issue]:
    zone = services.settings.digest_zone(name)
    runs = runs_until(digest, rhythm, first=schedule.due_at, until=now, zone=zone, limit=MOST_MISSED)
    last, period = runs[-1], period_key(rhythm, runs[-1], zone)
    late = now - last
    following = _next(services, name, rhythm, now)

    def with_it(session: Session) -> None:
        for missed in runs[:-1]:
            key = period_key(rhythm, missed, zone)
            if key != period:  # the repeated hour of a daylight change
                skip(session, digest=name, period=key, reason=f"missed; its articles go with {period}", now=now)
        advance(session, schedule.name, seen=schedule.due_at, due_at=following or _far(now), now=now)

    if late > MISSED_AFTER and not digest.catch_up:
        reason = f"missed by {format_duration(late)}: the service was down or could not compose it; catch_up is off"
        with services.database.write() as session:
            with_it(session)
            skip(session, digest=name, period=period, reason=reason, now=now)
        log.warning("digest %s %s: %s", name, period, reason)
        return []
    if late > MISSED_AFTER:
        log.warning("digest %s %s was missed and is caught up %s late", name, period, format_duration(late))
    frequencies = None if rhythm == SCHEDULE else [rhythm]
    issue = compose(
        services.database,
        services.renderer,
        name,
        period=period,
        frequencies=frequencies,
        now=now,
        with_it=with_it,
    )
    if issue is None:
        return []
    _tell(issue)
    return [issue]


def _compose_instant(services: Services, name: str, now: datetime, memory: Memory) -> list[Issue]:
    with services.database.read() as session:
        seq = highest_seq(session)
        if seq <= memory.considered.get(name, 0) or period_exists(session, name, instant_key(seq)):
            return []
    issue = compose(
        services.database,
        services.renderer,
        name,
        period=instant_key(seq),
        frequencies=[Frequency.INSTANT],
        now=now,
        keep_empty=False,
    )
    memory.considered[name] = seq
    if issue is None:
        return []
    _tell(issue)
    return [issue]


def _far(now: datetime) -> datetime:
    return now.replace(year=now.year + 1000)


def _tell(issue: Issue) -> None:
    if issue.reason:
        log.info("digest %s %s: skipped, %s", issue.digest, issue.period, issue.reason)
    else:
        log.info("digest %s %s: composed for %d recipients", issue.digest, issue.period, issue.recipients)
