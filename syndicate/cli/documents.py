"""The JSON documents and lines that several commands share. Names are those of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syndicate.cli.output import shown
from syndicate.core.documents import issue_document
from syndicate.model import Issue

if TYPE_CHECKING:
    from syndicate.core.pace import Pace
    from syndicate.pipeline.deliver import DeliverResult

__all__ = [
    "issue_document",
    "issue_line",
    "issue_sum",
    "outcomes_document",
    "outcomes_line",
    "pace_line",
    "reason_line",
    "state_word",
]


def issue_sum(issue: Issue) -> str:
    """The ledger's sum in one line: ``12 = 11 accepted + 1 suppressed``."""
    parts = [f"{count} {state_word(state)}" for state, count in issue.counts.as_dict().items() if count]
    line = f"{issue.recipients} = {' + '.join(parts) or '0'}"
    return line if issue.balanced else f"{line}  (DOES NOT BALANCE: please report this)"


def state_word(state: str) -> str:
    """A delivery's state as people read it."""
    return state.replace("_", " ")


def reason_line(reason: str | None, code: int | None, reply: str | None) -> str:
    """Why a delivery stands as it does: our word for it, then the server's code and answer."""
    answer = " ".join(str(part) for part in (code, reply) if part is not None)
    return ": ".join(part for part in (reason, answer) if part)


def issue_line(issue: Issue) -> str:
    """One issue in one line, for progress and results."""
    head = f"issue {issue.id}, {issue.digest} {issue.period}: {issue.state}"
    return f"{head} ({issue.reason})" if issue.reason else f"{head}; {issue_sum(issue)}"


def outcomes_document(result: DeliverResult | None) -> dict[str, int]:
    """How many outcomes of each state a pass recorded."""
    return {state.value: count for state, count in result.outcomes.items()} if result else {}


def outcomes_line(result: DeliverResult | None) -> str:
    """The same for people: ``11 accepted, 1 rejected``."""
    return ", ".join(f"{count} {state_word(state)}" for state, count in outcomes_document(result).items())


def pace_line(pace: Pace) -> str:
    """How fast an issue goes out, and when it will be done."""
    speed = f"{pace.accepted_per_second:.1f} a second ({pace.accepted_per_minute:.0f} a minute)"
    line = f"issue {pace.issue}: {speed} accepted lately"
    return f"{line}, {pace.waiting} to go, done at {shown(pace.done_at)}" if pace.done_at else line
