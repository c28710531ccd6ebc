"""When what came back suppresses an address (email.md R28, R29). What a message says: ``reading.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from syndicate.core.bounces.report import ReturnClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """``[bounce]``: how many issues of which kind, spread over how long."""

    hard_count: int = 1
    soft_count: int = 5
    soft_over: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class CameBack:
    """An issue that came back from a reader. ``sent_at`` is when it was accepted for delivery."""

    issue_id: int
    sent_at: datetime
    cls: ReturnClass


@dataclass(frozen=True, slots=True)
class Verdict:
    """That an address is to be suppressed, and the words that the list keeps."""

    reason: Literal["hard", "complaint"]
    note: str


def verdict(came_back: Sequence[CameBack], arrived: Sequence[datetime], rules: Thresholds) -> Verdict | None:
    """What follows from all that came back from one reader; None when nothing does.

    ``arrived``: when issues were accepted that did not come back. Of soft ones only those count that were sent after
    the last which arrived: one success shows that the address works. Blocks are our fault and never count.
    """
    if any(one.cls is ReturnClass.COMPLAINT for one in came_back):
        return Verdict("complaint", "the reader complained")
    hard = {one.issue_id for one in came_back if one.cls is ReturnClass.HARD}
    if len(hard) >= rules.hard_count:
        return Verdict("hard", f"dead address, {_issues(len(hard))}")
    failed = [one for one in came_back if one.cls in {ReturnClass.HARD, ReturnClass.SOFT}]
    if not rules.soft_count or not failed:
        return None
    # An issue that was sent after the newest failure may still come back.
    newest = max(one.sent_at for one in failed)
    worked = max((at for at in arrived if at < newest), default=None)
    row = {one.issue_id: one.sent_at for one in failed if worked is None or one.sent_at > worked}
    if len(row) >= rules.soft_count and newest - min(row.values()) >= rules.soft_over:
        days = (newest - min(row.values())).days
        return Verdict("hard", f"{_issues(len(row))} in a row came back, over {days} days")
    return None


def _issues(count: int) -> str:
    return "1 issue" if count == 1 else f"{count} issues"
