"""How many messages may go now by rate, connections and warm-up plan, and when the others have their turn.

What is kept between two questions is ``Usage``; ``store/limits.py`` keeps it. What a server's answers do to a limit:
``pressure.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syndicate.model import Rate

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
# What may go at one moment after a rest: a second's worth, at most a twentieth of the rate. It is taken off the pace,
# so that no window holds more than the rate.
_BURST_SHARE = 20
#: Those who wait get turns within this time; for who finds no place then, it goes on from there. A million who wait for
#: one destination are so asked again every ten minutes, at some 30 us each: 5 % of a core.
HORIZON = timedelta(minutes=10)
DAY = timedelta(days=1)
#: A limit that was tightened widens by a tenth for each such time without trouble.
CLEAN = timedelta(minutes=1)
_WIDENS = 1.1
_CLOSEST, _WIDEST = timedelta(milliseconds=1), timedelta(seconds=1)
_HURRY = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What an operator set. ``connections``: messages on their way at one time; ``warm_up``: messages a day."""

    rate: Rate | None = None
    connections: int | None = None
    warm_up: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is remembered of one limit.

    ``arrival_at`` is the theoretical arrival time of GCRA; ``turn_at`` the last turn that was given; ``spacing`` the
    time between turns where connections are the limit, learned from the times of grants. ``factor`` is how far it was
    tightened at ``pressed_at``. The days of a warm-up are 24 hours each from ``first_at``; ``day`` (0 = the first) had
    ``taken``.
    """

    arrival_at: datetime | None = None
    turn_at: datetime | None = None
    granted_at: datetime | None = None
    spacing: timedelta = timedelta(milliseconds=5)
    factor: float = 1.0
    pressed_at: datetime | None = None
    paused_until: datetime | None = None
    strikes: int = 0
    failures: int = 0
    reason: str | None = None
    first_at: datetime | None = None
    day: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpDay:
    """A day of a warm-up: its number from 1, the messages taken, and how many are allowed."""

    number: int
    taken: int
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """``count`` of those who asked go now, those held back have these turns; ``usage`` is to be kept."""

    count: int
    turns: tuple[datetime, ...]
    usage: Usage


def burst(rate: Rate) -> int:
    """How many may go at one moment after a rest."""
    return max(1, min(rate.count * _SECOND // rate.period, rate.count // _BURST_SHARE))


def interval(rate: Rate, factor: float = 1.0) -> timedelta:
    """The pace: the time between two messages that go steadily."""
    paced = rate.count - burst(rate) + 1
    return max(_TICK, -(-(rate.period / factor) // paced))


def factor_at(usage: Usage, now: datetime) -> float:
    """How far the limit is tightened now, from 1 (not at all) down."""
    if usage.factor >= 1 or usage.pressed_at is None:
        return 1.0
    since = max(usage.pressed_at, usage.paused_until or usage.pressed_at)
    clean = max(0, (now - since) // CLEAN)
    # Ten minutes after a halving it is over; the bound keeps the power small.
    return min(1.0, usage.factor * _WIDENS ** min(clean, 100))


def in_force(usage: Usage, now: datetime) -> bool:
    """Whether a destination or relay is slowed or paused at this time."""
    return is_paused(usage, now) or factor_at(usage, now) < 1


def is_paused(usage: Usage, now: datetime) -> bool:
    return usage.paused_until is not None and now < usage.paused_until


def most(limit: Limit, usage: Usage, *, busy: int = 0, now: datetime) -> int | None:
    """How many may go now; ``busy`` are on their way. None: any number."""
    if is_paused(usage, now):
        return 0
    found = []
    factor = factor_at(usage, now)
    if limit.rate is not None:
        step = interval(limit.rate, factor)
        tolerance = (burst(limit.rate) - 1) * step
        ahead = max(usage.arrival_at or now, now) - now
        found.append((tolerance - ahead) // step + 1 if ahead <= tolerance else 0)
    if limit.connections is not None:
        found.append(max(0, max(1, int(limit.connections * factor)) - busy))
    left = _left_of_day(limit, usage, now)
    if left is not None:
        found.append(left)
    return min(found, default=None)


def spend(limit: Limit, usage: Usage, count: int, now: datetime) -> Usage:
    """What to remember when ``count`` go."""
    if not count:
        return usage
    if limit.rate is not None:
        step = interval(limit.rate, factor_at(usage, now))
        usage = replace(usage, arrival_at=max(usage.arrival_at or now, now) + count * step)
    if limit.warm_up:
        day = _day(usage, now)
        taken = count + (usage.taken if day == usage.day else 0)
        usage = replace(usage, first_at=usage.first_at or now, day=day, taken=taken)
    return usage


def refund(usage: Usage, count: int) -> Usage:
    """What to remember when ``count`` that were to go did not: the day of a warm-up has them still."""
    taken = max(0, usage.taken - count)
    # A relay that has not taken one message has not begun its first day.
    begun = usage.day > 0 or taken > 0
    return replace(usage, taken=taken, first_at=usage.first_at if begun else None)


def grant(limit: Limit, usage: Usage, *, asking: int, room: int | None = None, busy: int = 0, now: datetime) -> Grant:
    """Let as many of ``asking`` go as may, but no more than there is ``room`` for.

    Those whom the limit holds back get turns: times after ``now`` at which to ask again. A turn is no promise: nothing
    is kept free for it, so that after a rest no more go at once than ``burst``.
    """
    allowed = most(limit, usage, busy=busy, now=now)
    allowed = asking if allowed is None else min(asking, allowed)
    count = allowed if room is None else min(allowed, room)
    usage = spend(limit, usage, count, now)
    if limit.connections is not None and count:
        usage = _learn_spacing(usage, count, now)
    turns: tuple[datetime, ...] = ()
    if asking > allowed:
        turns = _turns(limit, usage, asking - allowed, now)
        usage = replace(usage, turn_at=turns[-1])
    return Grant(count=count, turns=turns, usage=usage)


def next_at(limit: Limit, usage: Usage, now: datetime) -> datetime:
    """When the first message may go, as far as rate, pause and warm-up plan say; ``now`` when one may."""
    found = now
    if is_paused(usage, now) and usage.paused_until is not None:
        found = usage.paused_until
    if limit.rate is not None and usage.arrival_at is not None:
        step = interval(limit.rate, factor_at(usage, now))
        found = max(found, usage.arrival_at - (burst(limit.rate) - 1) * step)
    if usage.first_at is not None and _left_of_day(limit, usage, now) == 0:
        found = max(found, usage.first_at + (_day(usage, now) + 1) * DAY)
    return found


def warm_up_day(limit: Limit, usage: Usage, now: datetime) -> WarmUpDay | None:
    """Which day of its warm-up a relay has; None when it has none (any more)."""
    day = _day(usage, now)
    if day >= len(limit.warm_up):
        return None
    return WarmUpDay(number=day + 1, taken=usage.taken if day == usage.day else 0, allowed=limit.warm_up[day])


def _day(usage: Usage, now: datetime) -> int:
    return max(0, (now - usage.first_at) // DAY) if usage.first_at is not None else 0


def _left_of_day(limit: Limit, usage: Usage, now: datetime) -> int | None:
    day = warm_up_day(limit, usage, now)
    return None if day is None else max(0, day.allowed - day.taken)


def _learn_spacing(usage: Usage, count: int, now: datetime) -> Usage:
    """Turns shall come a little faster than connections become free; how fast that is depends on the server."""
    spacing = usage.spacing
    if usage.granted_at is not None and now - usage.granted_at < 2 * _WIDEST:
        measured = (now - usage.granted_at) / count * _HURRY
        spacing = min(_WIDEST, max(_CLOSEST, (spacing + measured) / 2))
    return replace(usage, spacing=spacing, granted_at=now)


def _turns(limit: Limit, usage: Usage, count: int, now: datetime) -> tuple[datetime, ...]:
    steps = [_CLOSEST]
    if limit.rate is not None:
        steps.append(interval(limit.rate, factor_at(usage, now)))
    if limit.connections is not None:
        steps.append(usage.spacing)
    step = max(steps)
    first = next_at(limit, usage, now)
    first = first if first > now else now + step
    last = first + max(HORIZON, step)
    at = usage.turn_at + step if usage.turn_at is not None and first <= usage.turn_at + step <= last else first
    found = []
    for _ in range(count):
        if at > last:
            at = first
        found.append(at)
        at += step
    return tuple(found)
