"""When the runs of each digest are due: the schedules of the configuration, entered in the database."""

from __future__ import annotations

import hashlib
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.periods import next_run, period_key, rhythms
from syndicate.store.engine import Database
from syndicate.store.issues import skip
from syndicate.store.schedules import Schedule, drop_schedules, schedules, set_schedule


def schedule_name(digest: str, rhythm: str) -> str:
    """The name of a rhythm's schedule: ``digest/morning/daily``."""
    return f"digest/{digest}/{rhythm}"


def following_run(settings: Settings, name: str, rhythm: str, after: datetime) -> datetime | None:
    """The next run of a digest's rhythm in the digest's zone; None if there is never one."""
    return next_run(settings.named_digest(name), rhythm, after=after, zone=settings.digest_zone(name))


def set_schedules(database: Database, settings: Settings, now: datetime) -> dict[str, Schedule]:
    """Enter the schedules of the configuration; one whose rule changed gets its next time from now on."""
    wanted: dict[str, tuple[str, str]] = {}
    for name, digest in settings.digest.items():
        for rhythm in rhythms(digest):
            wanted[schedule_name(name, rhythm)] = (name, rhythm)
    with database.read() as session:
        found = schedules(session)
    changed = {
        schedule: pair
        for schedule, pair in wanted.items()
        if schedule not in found or found[schedule].rule_hash != _rule_hash(settings, *pair)
    }
    stale = {schedule for schedule in found if schedule.startswith("digest/") and schedule not in wanted}
    if not changed and not stale:
        return found
    with database.write() as session:
        drop_schedules(session, stale)
        for schedule, (name, rhythm) in changed.items():
            if schedule in found and found[schedule].due_at <= now:
                # It was due under the old rule while the service was down: that run must not vanish without a word.
                key = period_key(rhythm, found[schedule].due_at, settings.digest_zone(name))
                reason = "its time was changed in the configuration before it was made"
                skip(session, digest=name, period=key, reason=reason, now=now)
            due_at = following_run(settings, name, rhythm, now)
            if due_at is not None:
                set_schedule(session, schedule, rule_hash=_rule_hash(settings, name, rhythm), due_at=due_at)
        session.flush()
        return schedules(session)


def _rule_hash(settings: Settings, name: str, rhythm: str) -> str:
    digest = settings.named_digest(name)
    rule = (
        rhythm,
        digest.send_at,
        digest.weekly_on,
        digest.monthly_on,
        digest.schedule,
        *([digest.schedule_from] if digest.schedule_from is not None else []),
        settings.digest_zone(name),
    )
    return hashlib.sha256(repr([str(part) for part in rule]).encode()).hexdigest()[:16]
