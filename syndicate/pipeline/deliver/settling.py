"""From the answer of a mail server to the state of the delivery on the ledger."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syndicate.core.bounces.pausing import PauseShares
from syndicate.core.bounces.rules import Thresholds
from syndicate.core.outcomes import BounceClass, classify_reply
from syndicate.core.retry import next_attempt
from syndicate.model import DeliveryState, Outcome, OutcomeKind, RetryPlan
from syndicate.store.deliveries import Result, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides about an outcome: retries, and what becomes of a delivery whose answer was lost.

    ``thresholds`` suppress who is refused, ``shares`` pause the issue; ``heard`` gets outcomes once they are committed.
    """

    retry: RetryPlan
    in_doubt: Literal["ask", "resend", "skip"]
    clock: Callable[[], datetime]
    heard: Callable[[Sequence[Result]], None] = lambda _results: None
    thresholds: Thresholds = field(default_factory=Thresholds)
    shares: PauseShares = field(default_factory=PauseShares)


def settle(task: Task, outcome: Outcome, rules: Rules) -> Result:
    """The ledger's state for an outcome: 4xx is deferred until its time is up, a lost answer follows ``in_doubt``."""
    kind = outcome.kind
    if kind is OutcomeKind.ACCEPTED:
        return Result(task, DeliveryState.ACCEPTED, outcome)
    if kind is OutcomeKind.REJECTED:
        bounce_class = classify_reply(outcome.code, outcome.enhanced, outcome.text)
        return Result(task, DeliveryState.REJECTED, outcome, bounce_class)
    if kind is OutcomeKind.IN_DOUBT and rules.in_doubt != "resend":
        return Result(task, DeliveryState.IN_DOUBT, outcome, resolved=rules.in_doubt == "skip")
    due_at = next_attempt(
        rules.retry,
        attempts=task.attempts,
        first_queued_at=task.first_marked_at,
        now=rules.clock(),
        jitter=random.random(),  # noqa: S311 - spreads retries
    )
    if due_at is None:
        return Result(task, DeliveryState.REJECTED, outcome, BounceClass.SOFT)
    return Result(task, DeliveryState.DEFERRED, outcome, due_at=due_at)


def in_doubt(task: Task, relay: str, error: BaseException) -> Result:
    """For a delivery whose data may have left when the program failed."""
    outcome = Outcome(kind=OutcomeKind.IN_DOUBT, text=f"the program failed: {type(error).__name__}", relay=relay)
    return Result(task, DeliveryState.IN_DOUBT, outcome)


def states_of(results: Sequence[Result]) -> dict[DeliveryState, int]:
    """How many deliveries ended in each state."""
    found: dict[DeliveryState, int] = {}
    for result in results:
        found[result.state] = found.get(result.state, 0) + len(result.task.rows)
    return found
