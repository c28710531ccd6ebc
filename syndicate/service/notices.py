"""Mails to the operator (``[service] operator``): an issue that paused, refusals for our own fault, a dead mailbox.

At most one a day for each cause, through the same relays as everything else.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.bounces.inbox_names import is_configured
from syndicate.core.message.headers import parse_mailbox
from syndicate.core.message.operator_message import Notice, build_notice
from syndicate.errors import SyndicateError
from syndicate.model import Envelope, OutcomeKind
from syndicate.service.wiring import Services
from syndicate.store.bounces import blocks_since
from syndicate.store.inboxes import claim_notice, inboxes, put_back_notice
from syndicate.store.issue_pauses import paused_by_itself

log = logging.getLogger(__name__)
EVERY: Final = timedelta(days=1)
_AGAIN: Final = timedelta(minutes=15)  # after one that could not be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What an operator is to know: ``cause`` is what at most one mail a day is about."""

    cause: str
    subject: str
    lines: tuple[str, ...]


def tell_operator(services: Services) -> int:
    """Send what is new; returns how many mails left. What cannot be sent is tried again a quarter of an hour later."""
    operator = services.settings.service.operator
    if operator is None or not services.settings.delivery.from_:
        return 0
    now = services.clock()
    with services.database.read() as session:
        found = list(_news(session, services.settings, now))
    return sum(_send(services, operator, news, now) for news in found)


def _news(session: Session, settings: Settings, now: datetime) -> Iterator[News]:
    for issue_id, reason in paused_by_itself(session).items():
        yield News(
            cause=f"pause/{issue_id}",
            subject=f"Issue {issue_id} is paused",
            lines=(
                f"Issue {issue_id} was {reason}.",
                f"Nothing more of it leaves. What came back: syndicate issues show {issue_id}",
                f"It goes on with: syndicate issues resume {issue_id}",
                f"It ends with: syndicate issues cancel {issue_id}",
            ),
        )
    if blocks := blocks_since(session, now - EVERY):
        yield News(
            cause="block",
            subject="Mail servers refuse us",
            lines=(
                f"In the last 24 hours {sum(blocks.values())} messages were refused for our own fault.",
                "That is policy, reputation, authentication; no reader is suppressed for it.",
                "\n".join(f"issue {number}: {count}" for number, count in blocks.items()),
                "Words and codes: syndicate issues show ISSUE. What to mend: syndicate doctor",
            ),
        )
    for inbox in inboxes(session):
        since = inbox.broken_since
        known = is_configured(inbox.name, settings)
        if known and since is not None and now - since >= settings.service.alarm_after:
            yield News(
                cause=f"inbox/{inbox.name}",
                subject="Bounces cannot be read",
                lines=(f"{inbox.error}", f"So it has been since {since:%Y-%m-%d %H:%M} UTC."),
            )


def _send(services: Services, operator: str, news: News, now: datetime) -> bool:
    with services.database.write() as session:
        if not claim_notice(session, news.cause, every=EVERY, now=now):
            return False
    settings = services.settings
    sender = parse_mailbox(settings.delivery.confirm_from or settings.delivery.from_)
    mark = hashlib.sha256(f"{news.cause} {now.isoformat()}".encode()).hexdigest()[:32]
    try:
        notice = Notice(
            sender=sender,
            recipient=operator,
            subject=f"[Syndicate] {news.subject}",
            lines=news.lines,
            date=now.replace(microsecond=0),
            message_id=f"notice.{mark}@{settings.mail_domain}",
        )
        # Not by VERP: what comes back of it is no reader's.
        envelope = Envelope(sender=sender.address, recipient=operator, data=services.signed(build_notice(notice)))
        connection = services.sender.connect()
        try:
            outcome = connection.send(envelope)
        finally:
            connection.close()
        said = None if outcome.kind is OutcomeKind.ACCEPTED else f"{outcome.code or ''} {outcome.text}".strip()
    except SyndicateError as error:
        said = str(error)
    if said is not None:
        log.error("the operator could not be written to: %s", said)
        with services.database.write() as session:
            put_back_notice(session, news.cause, now - EVERY + _AGAIN)
    return said is None
