"""A rendered edition as one message with slots: every header of the contract, then the two parts.

Header lines that hold a slot stand unencoded in the result; ``MessageTemplate`` encodes them with the reader's values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from syndicate.core.message.alternative import CRLF, alternative_body, mime_fields
from syndicate.core.message.headers import (
    Mailbox,
    check_value,
    date_value,
    field,
    list_id_tokens,
    mailbox_tokens,
    unstructured,
    uri_token,
)
from syndicate.core.render.edition import RenderedEdition
from syndicate.core.render.slots import marker, marker_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeaders:
    """What the headers of an edition need beside its texts.

    ``date`` is aware and fixed per edition, or None when each delivery has its own (the slot ``date``); ``domain`` is
    that of List-Id; ``issue`` is the issue's id for Feedback-ID.
    ``unsubscribe`` False leaves out List-Unsubscribe and its Post (``[privacy] unsubscribe_header``).
    """

    sender: Mailbox
    date: datetime | None
    digest: str
    digest_title: str
    domain: str
    issue: str
    reply_to: Mailbox | None = None
    archive_url: str | None = None
    unsubscribe: bool = True


def build_message(rendered: RenderedEdition, headers: MessageHeaders) -> bytes:
    """The message of an edition with its slots, for ``MessageTemplate``. Raises HeaderError and AddressError."""
    nonce = rendered.nonce
    pattern = marker_pattern(nonce)

    def slot(name: str) -> str:
        return marker(name, nonce)

    subject = check_value("Subject", rendered.subject)
    fields = [
        field("From", mailbox_tokens(headers.sender.name, headers.sender.address)),
        f"To: {slot('recipient.name')} <{slot('recipient.email')}>{CRLF}",
        f"Subject: {subject}{CRLF}" if pattern.search(subject) else unstructured("Subject", subject),
        f"Date: {slot('date')}{CRLF}" if headers.date is None else field("Date", [date_value(headers.date)]),
        f"Message-ID: <{slot('message_id')}>{CRLF}",
    ]
    if headers.reply_to:
        fields.append(field("Reply-To", mailbox_tokens(headers.reply_to.name, headers.reply_to.address)))
    fields.append(field("List-Id", list_id_tokens(headers.digest_title, headers.digest, headers.domain)))
    if headers.unsubscribe:
        fields.append(f"List-Unsubscribe: <{slot('unsubscribe_url')}>, <{slot('unsubscribe_mailto')}>{CRLF}")
        fields.append(field("List-Unsubscribe-Post", ["List-Unsubscribe=One-Click"]))
    if headers.archive_url:
        fields.append(field("List-Archive", [uri_token("List-Archive", headers.archive_url)]))
    fields += [
        field("Auto-Submitted", ["auto-generated"]),
        field("Precedence", ["bulk"]),
        field("X-Auto-Response-Suppress", ["OOF, AutoReply"]),
        field("Feedback-ID", [feedback_id(headers.issue, headers.digest, headers.domain)]),
        *mime_fields(nonce),
    ]
    body = alternative_body(rendered.text, rendered.html, nonce, pattern)
    return ("".join(fields) + CRLF + body).encode()


def feedback_id(issue: str, digest: str, domain: str) -> str:
    """``issue:digest:digest:SenderId`` (Google's feedback loop): nothing of a reader; 5 to 15 characters of sender."""
    sender = (re.sub(r"[^a-z0-9]", "", domain.lower()) + "syndicate")[:15]
    return ":".join([_feedback_part(issue), _feedback_part(digest), "digest", sender])


def _feedback_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "none"
