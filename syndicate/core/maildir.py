"""One message as a file of a Maildir: its name and its content. Folders and writing live in ``io/maildir.py``."""

from __future__ import annotations

import hashlib
import re
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

from syndicate.core.addresses import parse_address
from syndicate.model import Envelope

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NOT_OF_A_HOST = re.compile(r"[^A-Za-z0-9.-]")


def file_name(envelope: Envelope) -> str:
    """The message's name in ``new``: ``TIME.UNIQUE.HOST``, as mail readers expect it.

    All of it comes from the message (time of Date, hash of Message-ID and recipient, domain of Message-ID) and nothing
    from the moment: a message that is filed again after a crash has the same name, and is not doubled. Without a
    Message-ID it is known by its content.
    """
    header = BytesHeaderParser().parsebytes(_HEADER_END.split(envelope.data, maxsplit=1)[0])
    message_id = str(header["Message-ID"] or "").strip()
    unique = hashlib.sha256(message_id.encode("utf-8", "replace") or envelope.data)
    unique.update(b"\0" + envelope.recipient.encode())
    host = _NOT_OF_A_HOST.sub("-", message_id.rpartition("@")[2].rstrip("> "))[:64]
    return f"{_seconds(str(header['Date'] or ''))}.{unique.hexdigest()[:32]}.{host or 'localhost'}"


def file_content(envelope: Envelope) -> bytes:
    """The message as a delivery agent files it: the envelope on top (RFC 5321 4.4), line ends of this system.

    CRLF belongs to the wire; files of a Maildir are read by programs that take LF for the end of a line. Raises
    AddressError for an envelope whose addresses are none: they become header lines here.
    """
    sender = parse_address(envelope.sender).wire if envelope.sender else ""
    recipient = parse_address(envelope.recipient).wire
    top = f"Return-Path: <{sender}>\nDelivered-To: {recipient}\n".encode()
    return top + envelope.data.replace(b"\r\n", b"\n")


def base_name(name: str) -> str:
    """A file's name without what readers add to it in ``cur`` (``:2,FLAGS``)."""
    return name.partition(":")[0]


def _seconds(date: str) -> int:
    """Seconds since 1970 of a Date field; 0 where there is none."""
    try:
        return max(0, int(parsedate_to_datetime(date).timestamp()))
    except (ValueError, TypeError, OverflowError):
        return 0
