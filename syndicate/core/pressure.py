"""What the answers of servers do to a limit: which of them ask us to slow down, by how much, and for how long."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from syndicate.core.limits import Limit, Usage, factor_at, is_paused
from syndicate.core.outcomes import CLOSING
from syndicate.model import Outcome

_LEAST = 1 / 16
# Several connections hear the same thing at about the same time.
_SAME = timedelta(seconds=10)
_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
_FIRST_FAILURE, _LONGEST_FAILURE = timedelta(seconds=5), timedelta(minutes=5)
_GREYLISTED = re.compile(r"\bgr[ea]y-?list", re.IGNORECASE)


def is_pressure(outcome: Outcome) -> bool:
    """Whether an answer is about how much we send (email.md R23), not about this recipient.

    That is 421 and 4.7.x. Greylisting concerns one recipient, also where it comes as 4.7.1 (milter-greylist).
    """
    if outcome.code == CLOSING:
        return True
    slow_down = (outcome.enhanced or "").startswith("4.7.")
    return slow_down and _GREYLISTED.search(outcome.text) is None


def reason_of(outcome: Outcome) -> str:
    """The codes of an answer. Not its words: servers repeat addresses in them."""
    return " ".join(str(part) for part in (outcome.code, outcome.enhanced) if part)


def pressed(limit: Limit, usage: Usage, reason: str, now: datetime) -> Usage:
    """What to remember after a server asked us to slow down.

    Rate and connections are halved; without a configured rate there is also a pause, longer each time.
    """
    if is_paused(usage, now) or (usage.pressed_at is not None and now - usage.pressed_at < _SAME):
        return usage
    tightened = replace(usage, factor=max(_LEAST, factor_at(usage, now) / 2), pressed_at=now, reason=reason)
    if limit.rate is not None:
        return tightened
    strikes = usage.strikes if _lately(usage, now) else 0
    pause = _PAUSES[min(strikes, len(_PAUSES) - 1)]
    return replace(tightened, strikes=strikes + 1, paused_until=now + pause)


def tightened(limit: Limit, usage: Usage, *, widest: int, now: datetime) -> Limit:
    """The limit of a destination for which none is set: when it is slowed, a share of all ``widest`` connections."""
    if limit.rate is None and limit.connections is None and factor_at(usage, now) < 1:
        return replace(limit, connections=widest)
    return limit


def failed(usage: Usage, reason: str, now: datetime) -> Usage:
    """What to remember of a relay that does not work: it is left alone, twice as long each time."""
    if is_paused(usage, now):
        return usage
    pause = min(_LONGEST_FAILURE, _FIRST_FAILURE * 2 ** min(usage.failures, 10))
    return replace(usage, failures=usage.failures + 1, paused_until=now + pause, reason=reason)


def worked(usage: Usage) -> Usage:
    """What to remember of a relay that works again after it failed."""
    return replace(usage, failures=0, paused_until=None, reason=None) if usage.failures else usage


def _lately(usage: Usage, now: datetime) -> bool:
    """Whether the last pause is so fresh that the next one is longer: as long ago as it lasted, or a minute."""
    if usage.paused_until is None or usage.pressed_at is None:
        return False
    return now - usage.paused_until < max(_PAUSES[0], usage.paused_until - usage.pressed_at)
