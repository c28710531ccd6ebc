"""When an issue pauses by itself: too much of it is refused or complained about (email.md R24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syndicate.config.returns import Bounce
from syndicate.core.bounces.report import ReturnClass

_WORDS = {
    ReturnClass.HARD: "dead addresses",
    ReturnClass.BLOCK: "refusals for our own fault",
    ReturnClass.COMPLAINT: "complaints",
}
#: What an operator let go on is held again when it became so many times as much.
AGAIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseShares:
    """``[bounce]``: per cent of the answered messages by class (0: never), and how many must be answered before."""

    percent: Mapping[ReturnClass, int] = field(
        default_factory=lambda: {ReturnClass.HARD: 10, ReturnClass.BLOCK: 10, ReturnClass.COMPLAINT: 10}
    )
    least: int = 500

    @classmethod
    def of(cls, bounce: Bounce) -> PauseShares:
        """Those of a configuration."""
        percent = {
            ReturnClass.HARD: bounce.pause_hard,
            ReturnClass.BLOCK: bounce.pause_block,
            ReturnClass.COMPLAINT: bounce.pause_complaint,
        }
        return cls(percent=percent, least=bounce.pause_least)

    @property
    def fewest(self) -> int | None:
        """Fewer than so many of a class pause nothing; None: nothing ever does."""
        found = [percent for percent in self.percent.values() if percent]
        return max(1, self.least * min(found) // 100) if found else None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an issue pauses: so many of a class among so many answered."""

    cls: ReturnClass
    count: int
    answered: int

    def __str__(self) -> str:
        share = f"{self.count / self.answered:.0%}"
        return f"{self.count} of {self.answered} answered messages ({share}) are {_WORDS[self.cls]}"


def cause_to_pause(
    counts: Mapping[ReturnClass, int], answered: int, shares: PauseShares, before: Mapping[ReturnClass, int]
) -> Cause | None:
    """Why an issue is to pause, or None. ``before``: the counts at which it paused, and an operator had it go on."""
    if answered < shares.least:
        return None
    for cls, percent in shares.percent.items():
        count = counts.get(cls, 0)
        if percent and count * 100 >= percent * answered and count >= AGAIN * before.get(cls, 0):
            return Cause(cls, count, answered)
    return None
