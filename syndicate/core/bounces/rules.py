"""When what came back suppresses an address (email.md R28, R29). What a message says: ``reading.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from syndicate.config.returns import Bounce
from syndicate.core.bounces.report import ReturnClass

_DEAD = re.compile(r"5\.1\.([1236]|10)|5\.2\.1|5\.4\.[14]")
_NO_MAIL = 556  # RFC 7504: the domain takes no mail at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """``[bounce]``: how many issues of which kind, spread over how long."""

    hard_count: int = 1
    text_count: int = 2
    text_within: timedelta = timedelta(days=7)
    soft_count: int = 5
    soft_over: timedelta = timedelta(days=14)

    @classmethod
    def of(cls, bounce: Bounce) -> Thresholds:
        """Those of a configuration."""
        return cls(
            hard_count=bounce.hard_count,
            text_count=bounce.text_count,
            text_within=bounce.text_within,
            soft_count=bounce.soft_count,
            soft_over=bounce.soft_over,
        )


@dataclass(frozen=True, slots=True)
class CameBack:
    """A mail that came back from a reader: one issue, or those that went in one mail (``mail`` is the same then).

    ``sent_at`` is when it was accepted for delivery, or refused. ``certain``: a code says it, not only words.
    """

    mail: int
    sent_at: datetime
    cls: ReturnClass
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """That an address is to be suppressed, and the words that the list keeps."""

    reason: Literal["hard", "complaint"]
    note: str


def is_certain(status: str | None, code: int | None, *, told: bool = True) -> bool:
    """Whether a refusal names its cause by a code that is about the address (RFC 3463), not only in words.

    ``told`` decides where there is no code at all: a provider that says "permanent" itself knows why.
    """
    if status is None and code is None:
        return told
    return code == _NO_MAIL or (status is not None and _DEAD.fullmatch(status) is not None)


def verdict(came_back: Sequence[CameBack], arrived: Sequence[datetime], rules: Thresholds) -> Verdict | None:
    """What follows from all that came back from one reader; None when nothing does.

    ``arrived``: when issues were accepted that did not come back. Of soft ones only those count that were sent after
    the last which arrived: one success shows that the address works. Blocks are our fault and never count.
    """
    if any(one.cls is ReturnClass.COMPLAINT for one in came_back):
        return Verdict("complaint", "the reader complained")
    hard = [one for one in came_back if one.cls is ReturnClass.HARD]
    known = {one.mail for one in hard if one.certain}
    if len(known) >= rules.hard_count:
        return Verdict("hard", f"dead address, {_issues(len(known))}")
    told = {one.mail: one.sent_at for one in hard}
    if (count := _within(told, rules.text_within)) >= max(rules.hard_count, rules.text_count):
        return Verdict("hard", f"dead address by its words, {_issues(count)}")
    failed = [one for one in came_back if one.cls in {ReturnClass.HARD, ReturnClass.SOFT}]
    if not rules.soft_count or not failed:
        return None
    # An issue that was sent after the newest failure may still come back.
    newest = max(one.sent_at for one in failed)
    worked = max((at for at in arrived if at < newest), default=None)
    row = {one.mail: one.sent_at for one in failed if worked is None or one.sent_at > worked}
    if len(row) >= rules.soft_count and newest - min(row.values()) >= rules.soft_over:
        days = (newest - min(row.values())).days
        return Verdict("hard", f"{_issues(len(row))} in a row came back, over {days} days")
    return None


def _within(sent: Mapping[int, datetime], time: timedelta) -> int:
    """The most mails that were sent within a time, counted in whole days: a weekly issue is never quite punctual."""
    times = sorted(sent.values())
    most = 0
    for first, at in enumerate(times):
        most = max(most, sum((other - at).days <= time.days for other in times[first:]))
    return most


def _issues(count: int) -> str:
    return "1 issue" if count == 1 else f"{count} issues"
