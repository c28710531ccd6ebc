"""How far a table with a cursor column has been read for good: neither late commits nor bulk imports hurt. Pure.

Values are never calculated with and never compared here: the order is the foreign database's own (types, collations).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_SAMPLE = 50  # one row in so many is looked at for its time
_STEPS = 8  # marks that are kept within one overlap
_MILLISECONDS = 1e11  # as seconds since 1970 this would be the year 5138
_NEAR = timedelta(days=2)
_ZONES = timedelta(hours=15)  # a time without a zone, written where clocks are furthest ahead, lies less before ours
_EPOCHS = (946_684_800, 7_258_118_400)  # seconds since 1970 of the years 2000 and 2200


@dataclass(frozen=True, slots=True)
class Mark:
    """A cursor value and when, by our clock, it was first seen."""

    value: Any
    seen_at: datetime


class Progress:
    """How far the table has been read, kept between readings.

    A transaction of theirs takes its cursor value when it begins and shows it when it commits, at most ``overlap``
    later. So when value v is seen at time t, all rows up to v are there at t + overlap: after a reading *then*, v is
    ``settled`` and nothing below it is read again. Until then every reading starts at the last settled value.

    Where values are times, a value lying ``overlap`` before the newest one needs no waiting: transactions that began at
    it have ended. So the second poll of a large table is as cheap as the thousandth. A time that has not come yet is
    never settled, or one row dated 2099 would hide all that is written until then.
    """

    def __init__(self, overlap: timedelta, state: Mapping[str, Any] | None = None) -> None:
        self.overlap = overlap
        stored = state or {}
        self.settled: Any = decode(stored.get("settled"))
        self.strict = bool(stored.get("strict"))  # rows *at* the settled value are too many to be read again each time
        self._marks = [Mark(decode(value), datetime.fromisoformat(at)) for value, at in stored.get("marks", [])]
        self._rows = 0
        self._top: Any = None
        self._positions: dict[Any, int] = {mark.value: 0 for mark in self._marks}
        self._old: Mark | None = None  # by its own time: old enough, with its position in ``_old_at``
        self._old_at = 0
        self._young: deque[tuple[int, datetime, Any]] = deque()

    def saw(self, value: Any, now: datetime) -> bool:
        """Take note of a row's cursor value. To be called for all rows of a reading in the foreign database's order.

        Tells whether it is a time so far ahead that no time zone explains it.
        """
        self._rows += 1
        ahead = self._ahead(value, now)
        if ahead > timedelta():
            return ahead > _ZONES
        self._top = value
        if value in self._positions:
            self._positions[value] = self._rows
        if self._rows % _SAMPLE == 1:
            self._sample(value, now)
        return False

    def finish(self, now: datetime) -> bool:
        """Move on after a complete reading that began at ``now``. Tells whether the settled value is another one."""
        before = self.settled
        if self._top is not None:
            self._sample(self._top, now)
        ripe = [mark for mark in self._marks if mark.seen_at + self.overlap <= now]
        self._marks = [mark for mark in self._marks if mark.seen_at + self.overlap > now]
        if ripe:
            self.settled = ripe[-1].value
        if self._old is not None and (not ripe or self._old_at > self._positions[ripe[-1].value]):
            self.settled = self._old.value
        last = self._marks[-1] if self._marks else None
        known = last.value if last else self.settled
        # Noted later than seen is safe, it only waits longer: so a table that changes each second needs few marks.
        if (
            self._top is not None
            and self._top != known
            and (last is None or now - last.seen_at >= self.overlap / _STEPS)
        ):
            self._marks.append(Mark(self._top, now))
        return bool(self.settled != before)

    def state(self) -> dict[str, Any]:
        """What JSON can keep until the next reading."""
        return {
            "settled": encode(self.settled),
            "strict": self.strict,
            "marks": [[encode(mark.value), mark.seen_at.isoformat()] for mark in self._marks],
        }

    def _ahead(self, value: Any, now: datetime) -> timedelta:
        """How far a value lies in the future; nothing for what is no time.

        A number counts as a time by the company it keeps: rows come in order, and the one before was a time gone by.
        """
        if isinstance(value, bool | bytes):
            return timedelta()
        if isinstance(value, int | float | Decimal):
            seconds, before = _seconds(value), _seconds(self.settled if self._top is None else self._top)
            if seconds is None or before is None or before > now.timestamp():
                return timedelta()
            return timedelta(seconds=seconds - now.timestamp())
        moment = as_time(value, now) or _midnight(value)
        return moment - now if moment is not None else timedelta()

    def _sample(self, value: Any, now: datetime) -> None:
        moment = as_time(value, now)
        if moment is None:
            return
        self._young.append((self._rows, moment, value))
        old_enough = moment - self.overlap
        while self._young and self._young[0][1] <= old_enough:
            self._old_at, at, of = self._young.popleft()
            self._old = Mark(of, at)


def as_time(value: Any, now: datetime) -> datetime | None:
    """Read a cursor value as a time, if it is one: a datetime, an ISO text, seconds or milliseconds since 1970.

    A number counts only when it lies near ``now``: otherwise it may be a counter that happens to look like a time.
    """
    try:
        if isinstance(value, bool | bytes):
            return None
        if isinstance(value, int | float | Decimal):
            seconds = float(value)
            if seconds > _MILLISECONDS:
                seconds /= 1000
            near = abs(seconds - now.timestamp()) < _NEAR.total_seconds()
            return datetime.fromtimestamp(seconds, UTC) if near else None
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if len(value) > len("2026-11-22") else None
        # A bare date says nothing about the hour: rows of today all look alike, whenever they were written.
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _seconds(value: Any) -> float | None:
    """Read a number as seconds since 1970 if it gives a date of this age or the next."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    if seconds > _MILLISECONDS:
        seconds /= 1000
    return seconds if _EPOCHS[0] <= seconds <= _EPOCHS[1] else None


def _midnight(value: Any) -> datetime | None:
    """Read a bare date as the beginning of its day."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-11-22") else value
    except ValueError:
        return None
    return datetime.combine(day, time(), UTC) if isinstance(day, date) and not isinstance(day, datetime) else None


def encode(value: Any) -> Any:
    """Write a cursor value with its type, for JSON. Raises TypeError for a type that cannot be kept."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, time):
        return {"time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(value).hex()}
    raise TypeError(f"a cursor of type {type(value).__name__}")


_DECODERS: dict[str, Any] = {
    "float": float.fromhex,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": bytes.fromhex,
}


def decode(value: Any) -> Any:
    """Read back what ``encode`` wrote."""
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        return _DECODERS[kind](text)
    return value
