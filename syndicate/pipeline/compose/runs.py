"""What is to be done about a schedule that has come: the run to make, those that were missed, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.durations import format_duration
from syndicate.config.holidays import holiday
from syndicate.config.sections import Digest
from syndicate.core.periods import SCHEDULE, next_run, period_key, runs_until
from syndicate.core.waves import LocalTime, clock_reading
from syndicate.store.overview import source_statuses

# A run later than this was missed: the service was down, or could not compose. Its being late is told to the operator.
MISSED_AFTER = timedelta(hours=1)
# After a year without service nobody needs a row for each of the days.
MOST_MISSED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to do: make the issue of ``period`` (None: of none), note those ``skipped`` with their reasons, go on.

    ``late``: how long ago it was due in the digest's zone. ``following``: when the schedule is due next, if ever.
    """

    period: str | None
    local: LocalTime | None
    late: timedelta
    skipped: dict[str, str]
    following: datetime | None

    @property
    def key(self) -> str:
        """By which it is known: its period, or that of the last which is skipped."""
        return self.period or next(reversed(self.skipped), "")


def frequencies_of(rhythm: str) -> list[str] | None:
    """Whose subscriptions a rhythm serves; None = all."""
    return None if rhythm == SCHEDULE else [rhythm]


def read_run(
    settings: Settings, name: str, rhythm: str, due_at: datetime, now: datetime, opens: Callable[[datetime], datetime]
) -> Run | None:
    """What a schedule that is due at ``due_at`` asks for now; None: nothing yet. ``opens``: see ``runs_until``.

    One issue makes up for all that were missed. A holiday has none; its articles go with the next one.
    """
    digest, zone = settings.named_digest(name), settings.digest_zone(name)
    runs = runs_until(digest, rhythm, first=due_at, until=now, zone=zone, limit=MOST_MISSED, opens=opens)
    if not runs:
        return None
    following = next_run(digest, rhythm, after=runs[-1], zone=zone)
    skipped: dict[str, str] = {}
    working = []
    for due in runs:
        # A date that is listed, or the name of a holiday, of the day that the issue would be of.
        found = holiday(digest.holidays, clock_reading(digest, due, zone).date())
        if found is None:
            working.append(due)
        else:
            skipped[period_key(rhythm, due, zone)] = f"a holiday ({found}); its articles go with the next issue"
    if not working:
        return Run(period=None, local=None, late=timedelta(0), skipped=skipped, following=following)
    last = working[-1]
    # Counted from the time in the digest's own zone: a reader further east may have come only now.
    period, late = period_key(rhythm, last, zone), max(timedelta(0), now - last)
    for missed in working[:-1]:
        key = period_key(rhythm, missed, zone)
        if key != period:  # the repeated hour of a daylight change
            skipped[key] = f"missed; its articles go with {period}"
    if late > MISSED_AFTER and not digest.catch_up:
        skipped[period] = (
            f"missed by {format_duration(late)}: the service was down or could not compose it; catch_up is off"
        )
        return Run(period=None, local=None, late=late, skipped=skipped, following=following)
    local = LocalTime(reading=clock_reading(digest, last, zone), zone=zone) if digest.local else None
    return Run(period=period, local=local, late=late, skipped=skipped, following=following)


def sources_down(session: Session, settings: Settings, digest: Digest) -> list[str]:
    """The sources of a digest that were not read to their end when they were read last, with the reason."""
    wanted = set(digest.sources or settings.source)
    return [
        f"source {source.source} ({source.error})"
        for source in source_statuses(session)
        if source.source in wanted and source.source in settings.source and source.broken_since is not None
    ]
