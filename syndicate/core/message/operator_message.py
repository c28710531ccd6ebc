"""The mail that tells an operator what went wrong: plain text, no list headers, no reader in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicate.core.message.alternative import CRLF
from syndicate.core.message.headers import Mailbox, date_value, field, mailbox_tokens, message_id_token, unstructured
from syndicate.core.message.quoted_printable import encode_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """``lines`` are paragraphs; ``recipient`` is a bare address, ``message_id`` without angle brackets."""

    sender: Mailbox
    recipient: str
    subject: str
    lines: Sequence[str]
    date: datetime
    message_id: str


def build_notice(notice: Notice) -> bytes:
    """The finished message, CRLF line ends. Raises HeaderError and AddressError."""
    encoding, body = encode_body("\n\n".join(notice.lines) + "\n")
    fields = [
        field("From", mailbox_tokens(notice.sender.name, notice.sender.address)),
        field("To", mailbox_tokens("", notice.recipient)),
        unstructured("Subject", notice.subject),
        field("Date", [date_value(notice.date)]),
        field("Message-ID", [message_id_token(notice.message_id)]),
        field("Auto-Submitted", ["auto-generated"]),
        field("X-Auto-Response-Suppress", ["All"]),
        field("MIME-Version", ["1.0"]),
        field("Content-Type", ["text/plain;", 'charset="utf-8"']),
        field("Content-Transfer-Encoding", [encoding]),
    ]
    return ("".join(fields) + CRLF + body).encode()
