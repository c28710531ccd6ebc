"""What happened to one delivery, in order and in plain words, from its row on the ledger and its attempts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicate.model import AttemptEvent, DeliveryState

# The ends of a delivery; whatever is not one of these goes on.
_ENDS = frozenset(
    {
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.IN_DOUBT,
        DeliveryState.SUPPRESSED,
        DeliveryState.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """A row of the ledger, with what it refers to; ``joined_to``: the one that leads the mail it shares with others."""

    id: int
    issue_id: int
    edition_id: int | None
    cohort_id: int | None
    state: DeliveryState
    reason: str | None
    attempts: int
    due_at: datetime
    first_marked_at: datetime | None
    marked_at: datetime | None
    finished_at: datetime | None
    relay: str | None
    code: int | None
    reply: str | None
    resolved: bool
    joined_to: int | None = None
    joint_edition_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that happened to a delivery. ``begun_at``: when it was marked; ``next_at``: when it was due again."""

    number: int
    event: AttemptEvent
    at: datetime
    begun_at: datetime | None
    reason: str | None
    relay: str | None
    code: int | None
    reply: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of a delivery's story. ``event`` is a state or an ``AttemptEvent``, ``text`` the same for people."""

    at: datetime
    event: str
    text: str
    attempt: int | None = None
    relay: str | None = None
    code: int | None = None
    reply: str | None = None
    reason: str | None = None
    next_at: datetime | None = None


def happenings(delivery: DeliveryFacts, attempts: Sequence[Attempt], *, queued_at: datetime) -> list[Happening]:
    """The story of a delivery, oldest first; ``queued_at`` is when its issue was frozen."""
    told = [Happening(at=queued_at, event=DeliveryState.QUEUED, text="the issue was frozen with this reader in it")]
    told += [_of_attempt(attempt) for attempt in attempts]
    if delivery.state is DeliveryState.SENDING and delivery.marked_at is not None:
        told.append(
            Happening(
                at=delivery.marked_at,
                event=DeliveryState.SENDING,
                text=f"attempt {delivery.attempts} is on its way",
                attempt=delivery.attempts,
            )
        )
    last = told[-1]
    if delivery.finished_at is not None and delivery.state in _ENDS and not _tells(last, delivery):
        told.append(_of_end(delivery, queued_at))
    return told


def got_it(delivery: DeliveryFacts) -> bool | None:
    """Whether the next mail server took it; None while nobody knows."""
    if delivery.state is DeliveryState.ACCEPTED:
        return True
    return False if delivery.state in _ENDS - {DeliveryState.IN_DOUBT} else None


def outcome_line(delivery: DeliveryFacts) -> str:
    """How a delivery stands, in one sentence without times."""
    answer = _answer(delivery.code, delivery.reply)
    why = f": {delivery.reason}" if delivery.reason else ""
    match delivery.state:
        case DeliveryState.ACCEPTED:
            return f"got it: {_relay(delivery.relay)} took responsibility for it{answer}"
        case DeliveryState.REJECTED:
            return f"did not get it: {_relay(delivery.relay)} refused it{_kind(delivery.reason)}{answer}"
        case DeliveryState.SUPPRESSED:
            return f"did not get it: nothing is sent to this address{why}"
        case DeliveryState.CANCELLED:
            return f"did not get it{why}"
        case DeliveryState.IN_DOUBT:
            decided = "it is left so" if delivery.resolved else "somebody has to decide (`syndicate issues resolve`)"
            return f"may have got it: the data went out and no answer was recorded{why or answer}; {decided}"
        case DeliveryState.DEFERRED:
            return f"has not got it yet: the last answer was{answer or ': none'}"
        case DeliveryState.SENDING:
            return "is being sent to just now"
        case _:
            return f"has not got it yet: it is queued{f' ({delivery.reason})' if delivery.reason else ''}"


def _tells(last: Happening, delivery: DeliveryFacts) -> bool:
    """Whether the last attempt tells the end already; rows of before attempts were kept have none."""
    if delivery.state is DeliveryState.REJECTED:
        return last.event in {AttemptEvent.REJECTED, AttemptEvent.GIVEN_UP}
    if delivery.state is DeliveryState.IN_DOUBT:
        return last.event in {AttemptEvent.IN_DOUBT, AttemptEvent.SKIPPED}
    return False


def _of_attempt(attempt: Attempt) -> Happening:
    return Happening(
        at=attempt.at,
        event=attempt.event,
        text=_attempt_text(attempt),
        attempt=attempt.number,
        relay=attempt.relay,
        code=attempt.code,
        reply=attempt.reply,
        reason=attempt.reason,
        next_at=attempt.next_at,
    )


def _attempt_text(attempt: Attempt) -> str:
    number, relay, answer = f"attempt {attempt.number}", _relay(attempt.relay), _answer(attempt.code, attempt.reply)
    match attempt.event:
        case AttemptEvent.DEFERRED:
            return f"{number}: {relay} did not take it yet{answer}"
        case AttemptEvent.GIVEN_UP:
            return f"{number}: {relay} still did not take it, and it was given up{_kind(attempt.reason)}{answer}"
        case AttemptEvent.REJECTED:
            return f"{number}: {relay} refused it for good{_kind(attempt.reason)}{answer}"
        case AttemptEvent.IN_DOUBT:
            cause = answer or (f": {attempt.reason}" if attempt.reason else "")
            return f"{number}: in doubt, the data may have gone out and no answer was recorded{cause}"
        case AttemptEvent.RESENT:
            return "the operator had it sent again"
        case AttemptEvent.SKIPPED:
            return "the operator left it in doubt"
        case AttemptEvent.RETRIED:
            return "the operator had it tried again"


def _of_end(delivery: DeliveryFacts, queued_at: datetime) -> Happening:
    at = delivery.finished_at or queued_at
    if delivery.state in {DeliveryState.SUPPRESSED, DeliveryState.CANCELLED}:
        when = "at the freeze already" if at == queued_at else "before its data left"
        reason = f": {delivery.reason}" if delivery.reason else ""
        return Happening(at=at, event=delivery.state, text=f"{delivery.state} {when}{reason}", reason=delivery.reason)
    return Happening(
        at=at,
        event=delivery.state,
        text=f"attempt {delivery.attempts}: {outcome_line(delivery)}",
        attempt=delivery.attempts,
        relay=delivery.relay,
        code=delivery.code,
        reply=delivery.reply,
        reason=delivery.reason,
    )


def _relay(relay: str | None) -> str:
    return relay or "the relay"


def _kind(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _answer(code: int | None, reply: str | None) -> str:
    said = " ".join(str(part) for part in _given((code, reply)))
    return f": {said}" if said else ""


def _given(parts: Iterable[object | None]) -> list[object]:
    return [part for part in parts if part is not None]
