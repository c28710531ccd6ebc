"""Local delivery time: one run of a digest comes to each reader at the same reading of their own clock.

A time that does not exist on a reader's day (the clock is set forward over it) is as long after midnight as on the day
before: 02:30 becomes 03:30. Of a time that exists twice the first counts. A day that a zone left out comes a day later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from syndicate.config.sections import Digest

#: No zone's clock has ever been further ahead of UTC, or further behind.
EASTMOST, WESTMOST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


def clock_reading(digest: Digest, due: datetime, zone: ZoneInfo) -> datetime:
    """What clocks show at a run, as a naive time; ``due`` is when the run is due in ``zone``, the digest's own.

    On a day of daylight change ``due`` may show another time than ``send_at``: readers elsewhere get it at that.
    """
    local = due.astimezone(zone)
    if digest.schedule is not None:
        return local.replace(tzinfo=None)
    hour, minute = (int(part) for part in digest.send_at.split(":"))
    return local.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)


def wave_at(reading: datetime, zone: ZoneInfo | timezone) -> datetime:
    """When a zone's clocks show a reading, in UTC; the first time if they do twice."""
    return reading.replace(tzinfo=zone, fold=0).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """A run that comes to each reader when their clock shows ``reading``; ``zone`` is the digest's own."""

    reading: datetime
    zone: ZoneInfo

    @property
    def day(self) -> date:
        """The day that the issue is of, for everybody."""
        return self.reading.date()

    def due_times(self, zones: Iterable[str | None], *, not_before: datetime) -> dict[str, datetime]:
        """When each zone's deliveries are due: what has gone by already is due at once."""
        return {name: max(at, not_before) for name, at in wave_times(self.reading, zones, self.zone).items()}


@lru_cache(maxsize=1024)
def zone_or(name: str | None, fallback: ZoneInfo) -> ZoneInfo:
    """A reader's zone. One that is not known (any more) must not keep their mail back: theirs is the digest's."""
    if not name:
        return fallback
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return fallback


def wave_times(reading: datetime, zones: Iterable[str | None], fallback: ZoneInfo) -> dict[str, datetime]:
    """When each of the readers' zones has its wave, by the zone's name ("" for readers without one)."""
    return {name or "": wave_at(reading, zone_or(name, fallback)) for name in zones}


def opens_at(reading: datetime, zones: Iterable[str | None], fallback: ZoneInfo) -> datetime:
    """When the first wave is due: at the latest that of the digest's own zone, ``fallback``."""
    return min(wave_times(reading, [None, *zones], fallback).values())


def not_before(reading: datetime) -> datetime:
    """The earliest at which a reading can come anywhere: before it nobody's zone need be looked at."""
    return wave_at(reading, EASTMOST)


def by_time(times: Mapping[str, datetime]) -> dict[datetime, list[str]]:
    """The zones that have their wave together, in the order of the waves."""
    found: dict[datetime, list[str]] = {}
    for name, at in sorted(times.items(), key=lambda item: (item[1], item[0])):
        found.setdefault(at, []).append(name)
    return found
