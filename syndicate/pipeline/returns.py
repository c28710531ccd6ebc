"""The verb ``take_return``: one message that came back, applied to the ledger, the suppressions, and nothing else.

What it says is read in ``core/bounces``. It counts only with a genuine token of a delivery that was sent: who writes to
the return path can neither suppress a reader nor fill the ledger.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.bounces.mime import normalised
from syndicate.core.bounces.reading import Report, read_report
from syndicate.core.bounces.report import ReturnClass, Returned
from syndicate.core.bounces.rules import Thresholds, verdict
from syndicate.core.bounces.tokens import delivery_of, unsubscribe_token
from syndicate.core.reasons import without_addresses
from syndicate.model import Keyring, WebhookEvent
from syndicate.store import bounces, subscribers, suppressions
from syndicate.store.address_changes import moved_since
from syndicate.store.engine import Database
from syndicate.store.outbox import emit
from syndicate.store.suppressions import SuppressionReason

_TOLD = {
    ReturnClass.HARD: WebhookEvent.BOUNCED,
    ReturnClass.SOFT: WebhookEvent.BOUNCED,
    ReturnClass.BLOCK: WebhookEvent.BOUNCED,
    ReturnClass.COMPLAINT: WebhookEvent.COMPLAINED,
}


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

    ``words`` is what was said, without addresses.
    """

    fate: Fate
    cls: ReturnClass | None = None
    words: str = ""
    suppressed: bool = False
    issue_id: int | None = None
    subscriber_id: int | None = None
    token: str | None = None

    @property
    def ours(self) -> bool:
        """Whether it may be deleted from the mailbox: nothing else of it is wanted."""
        return self.fate in {Fate.APPLIED, Fate.KNOWN, Fate.UNSUBSCRIBE, Fate.NOT_SENT}


def take_return(database: Database, settings: Settings, keyring: Keyring, data: bytes, *, now: datetime) -> Taken:
    """Apply one message, in one transaction; again changes nothing. Raises StoreError."""
    report = read_report(data)
    if report.unsubscribe:
        token = unsubscribe_token(report.mentions, keyring, now)
        return Taken(fate=Fate.FOREIGN) if token is None else Taken(fate=Fate.UNSUBSCRIBE, token=token)
    delivery = delivery_of(report.mentions, keyring, now)
    if delivery is None:
        return Taken(fate=Fate.FOREIGN)
    if not report.results:
        return Taken(fate=Fate.UNCLEAR, issue_id=delivery[0])
    with database.write() as session:
        return _apply(session, settings, report, delivery, data, now)


def _apply(
    session: Session, settings: Settings, report: Report, delivery: tuple[int, int], data: bytes, now: datetime
) -> Taken:
    sent = bounces.sent_delivery(session, *delivery)
    person = subscribers.subscriber_by_id(session, delivery[1])
    if sent is None or person is None:
        return Taken(fate=Fate.NOT_SENT, issue_id=delivery[0])
    said = _about(report, person.email)
    octets = normalised(data)
    fingerprint = hashlib.sha256(b"%d %d " % delivery + octets).hexdigest()
    # It may come days later, when she has another address: that one is not to blame.
    counted = not moved_since(session, person.id, sent.sent_at)
    new = bounces.add_bounce(session, sent, said, fingerprint=fingerprint, message=octets, counted=counted, now=now)
    complained = said.cls is ReturnClass.COMPLAINT
    if new and said.cls in _TOLD:
        told = {"subscriber_id": person.id, "issue": sent.issue_id, "class": said.cls.value, "status": said.status}
        emit(session, _TOLD[said.cls], told, now, subscriber_id=person.id)
    return Taken(
        fate=Fate.APPLIED if new else Fate.KNOWN,
        cls=said.cls,
        words=without_addresses(said.text) or "",
        suppressed=new and counted and _suppress(session, settings, person.id, said, now),
        issue_id=sent.issue_id,
        subscriber_id=person.id if complained else None,
    )


def _about(report: Report, email: str) -> Returned:
    """What is said of our reader; a report on one of our messages speaks of nobody else."""
    own = (one for one in report.results if one.recipient and one.recipient.lower() == email.lower())
    return next(own, report.results[0])


def _suppress(session: Session, settings: Settings, subscriber_id: int, said: Returned, now: datetime) -> bool:
    if said.cls not in {ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.COMPLAINT} or not said.final:
        return False
    found = verdict(*bounces.history(session, subscriber_id), thresholds(settings))
    hashed = subscribers.hash_and_domain(session, subscriber_id)
    if found is None or hashed is None:
        return False
    reason = SuppressionReason(found.reason)
    return suppressions.add(session, "address", hashed[0], reason, now=now, note=found.note)


def thresholds(settings: Settings) -> Thresholds:
    """The thresholds of ``[bounce]``."""
    bounce = settings.bounce
    return Thresholds(hard_count=bounce.hard_count, soft_count=bounce.soft_count, soft_over=bounce.soft_over)
