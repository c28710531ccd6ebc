"""What follows from one thing that came back for one delivery, in one transaction; the same again changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.bounces.pausing import PauseShares
from syndicate.core.bounces.report import ReturnClass, Returned
from syndicate.core.bounces.rules import Thresholds
from syndicate.core.reasons import without_addresses
from syndicate.model import Outcome, OutcomeKind, Subscriber, WebhookEvent
from syndicate.store import bounces, subscribers
from syndicate.store.address_changes import moved_since
from syndicate.store.bounces import SentDelivery
from syndicate.store.issue_pauses import pause_if_refused
from syndicate.store.limits import Limits, record_pressure
from syndicate.store.outbox import emit

_TOLD = {
    ReturnClass.HARD: WebhookEvent.BOUNCED,
    ReturnClass.SOFT: WebhookEvent.BOUNCED,
    ReturnClass.BLOCK: WebhookEvent.BOUNCED,
    ReturnClass.COMPLAINT: WebhookEvent.COMPLAINED,
}
_AGAINST = frozenset({ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.COMPLAINT})


class Fate(StrEnum):
    """What became of a returned message."""

    APPLIED = "applied"
    KNOWN = "known"  # this very message was applied before
    UNSUBSCRIBE = "unsubscribe"  # a reader asks to leave; whoever called does it
    NOT_SENT = "not_sent"  # a genuine token of a delivery that never left, or of a reader who was erased
    FOREIGN = "foreign"  # no token of ours: somebody else's mail, or forged
    UNCLEAR = "unclear"  # ours, but nobody can say what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """``subscriber_id`` is set for a complaint: her subscriptions are to end. ``token`` is that of UNSUBSCRIBE.

    ``words`` is what was said, without addresses; ``paused`` why its issue paused by this.
    """

    fate: Fate
    cls: ReturnClass | None = None
    words: str = ""
    suppressed: bool = False
    issue_id: int | None = None
    subscriber_id: int | None = None
    token: str | None = None
    paused: str | None = None

    @property
    def ours(self) -> bool:
        """Whether it may be deleted from the mailbox: nothing else of it is wanted."""
        return self.fate in {Fate.APPLIED, Fate.KNOWN, Fate.UNSUBSCRIBE, Fate.NOT_SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides what follows. ``limits``: what this process knows of destinations' limits."""

    thresholds: Thresholds
    shares: PauseShares
    limits: Limits

    @classmethod
    def of(cls, settings: Settings, limits: Limits | None) -> Rules:
        """Those of a configuration."""
        bounce = settings.bounce
        return cls(thresholds=Thresholds.of(bounce), shares=PauseShares.of(bounce), limits=limits or Limits())


def apply(
    session: Session, delivery: tuple[int, int], results: Sequence[Returned], data: bytes, rules: Rules, now: datetime
) -> Taken:
    """Apply what is said of a delivery (issue, subscriber). ``data`` is the evidence, and what tells two apart.

    A joint mail holds several issues of one reader: all of them came back.
    """
    together = bounces.sent_together(session, *delivery)
    person = subscribers.subscriber_by_id(session, delivery[1])
    if not together or person is None:
        return Taken(fate=Fate.NOT_SENT, issue_id=delivery[0])
    said = _about(results, person.email)
    # It may come days later, when she has another address: that one is not to blame.
    counted = not moved_since(session, person.id, together[0].sent_at)
    new = [sent for sent in together if _keep(session, sent, said, data, counted=counted, now=now)]
    if not new:
        return Taken(fate=Fate.KNOWN, cls=said.cls, issue_id=delivery[0], subscriber_id=_complainer(said, person))
    for sent in new:
        _tell(session, sent, said, now)
    suppressed = counted and said.cls in _AGAINST and said.final
    suppressed = suppressed and bounces.judge(session, person.id, rules.thresholds, now)
    _slow_down(session, person, said, rules.limits, now)
    paused = pause_if_refused(session, [sent.issue_id for sent in new], rules.shares, now)
    return Taken(
        fate=Fate.APPLIED,
        cls=said.cls,
        words=without_addresses(said.text) or "",
        suppressed=suppressed,
        issue_id=delivery[0],
        subscriber_id=_complainer(said, person),
        paused="; ".join(f"issue {number} is paused: {cause}" for number, cause in paused.items()) or None,
    )


def _about(results: Sequence[Returned], email: str) -> Returned:
    """What is said of our reader; a report on one of our messages speaks of nobody else."""
    own = (one for one in results if one.recipient and one.recipient.lower() == email.lower())
    return next(own, results[0])


def _complainer(said: Returned, person: Subscriber) -> int | None:
    return person.id if said.cls is ReturnClass.COMPLAINT else None


def _keep(session: Session, sent: SentDelivery, said: Returned, data: bytes, *, counted: bool, now: datetime) -> bool:
    fingerprint = hashlib.sha256(b"%d %d " % (sent.issue_id, sent.subscriber_id) + data).hexdigest()
    return bounces.add_bounce(session, sent, said, fingerprint=fingerprint, message=data, counted=counted, now=now)


def _tell(session: Session, sent: SentDelivery, said: Returned, now: datetime) -> None:
    if said.cls in _TOLD:
        told = {"subscriber_id": sent.subscriber_id, "issue": sent.issue_id, "class": said.cls.value}
        emit(session, _TOLD[said.cls], told | {"status": said.status}, now, subscriber_id=sent.subscriber_id)


def _slow_down(session: Session, person: Subscriber, said: Returned, limits: Limits, now: datetime) -> None:
    """A destination that refuses us behind our relay is written to more slowly, as if it had said so to ourselves."""
    enhanced = said.status
    if said.cls is ReturnClass.BLOCK and enhanced is not None and enhanced.startswith("5.7."):
        enhanced = f"4{enhanced[1:]}"  # for good for this message; the next one may fare better a little later
    heard = Outcome(kind=OutcomeKind.DEFERRED, code=said.code, enhanced=enhanced, text=said.text)
    record_pressure(session, [(person.email, heard)], limits, now)
