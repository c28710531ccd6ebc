"""One message as commands and data of SMTP: what goes over the wire, or why the relay cannot take it.

Pure: the dialogue itself, plain or pipelined, lives in ``io/smtp_connection.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from syndicate.core.addresses import LOCAL_LIMIT, parse_address
from syndicate.core.outcomes import Stage, not_sent
from syndicate.errors import AddressError, RelayError
from syndicate.model import Envelope, Outcome

_LINE_END = re.compile(rb"\r\n|\r|\n")
DATA = b"DATA\r\n"
#: What ends the data, after its last line end.
FINAL_DOT = b".\r\n"
# The usual kind of address, read in 0.6 us where the full reading takes 6: this is done twice for every message.
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?=.{1,180}$)(?:[a-z0-9]{1,63}\.)+[a-z]{2,30}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What a relay's EHLO offers, as far as it changes a transaction. ``size`` is in octets, 0 = no stated limit."""

    size: int | None = None  # None: the extension is not offered (RFC 1870)
    smtputf8: bool = False  # RFC 6531
    eight_bit: bool = False  # 8BITMIME, RFC 6152
    pipelining: bool = False  # RFC 2920

    @classmethod
    def of_ehlo(cls, features: Mapping[str, str]) -> Self:
        """From keywords in lower case and their parameters."""
        size = features.get("size")
        return cls(
            size=None if size is None else int(size) if size.isascii() and size.isdigit() else 0,
            smtputf8="smtputf8" in features,
            eight_bit="8bitmime" in features,
            pipelining="pipelining" in features,
        )


class Transaction(NamedTuple):
    """The bytes of one message's transaction: commands with their line ends, data stuffed but without its final dot."""

    mail: bytes
    rcpt: bytes
    data: bytes

    @property
    def commands(self) -> tuple[tuple[Stage, bytes], ...]:
        """What asks for a reply before the data, in order."""
        return (Stage.MAIL, self.mail), (Stage.RCPT, self.rcpt), (Stage.DATA, DATA)


def transaction_of(envelope: Envelope, offers: Offers, *, relay: str) -> Transaction | Outcome:
    """The transaction of a message with one recipient (RFC 5321 3.3), or the rejection when the relay cannot take it.

    Raises RelayError for an envelope sender that is no address: that is a fault of the settings, not of a recipient.
    """
    if envelope.ready and _is_plain(envelope.recipient) and _is_plain(envelope.sender) and envelope.data.isascii():
        data = envelope.data
        if not offers.size or len(data) <= offers.size:  # nearly every message
            size = "" if offers.size is None else f" SIZE={len(data)}"
            return Transaction(
                f"MAIL FROM:<{envelope.sender}>{size}\r\n".encode(),
                f"RCPT TO:<{envelope.recipient}>\r\n".encode(),
                data,
            )
    try:
        recipient, recipient_utf8 = _path(envelope.recipient)
    except AddressError as error:
        return not_sent(str(error), enhanced="5.1.3", relay=relay)
    sender, sender_utf8 = _sender(envelope.sender, relay)
    international = recipient_utf8 or sender_utf8
    if international and not offers.smtputf8:
        return not_sent(
            "the address has characters beyond ASCII before its @, and the relay does not offer SMTPUTF8 (RFC 6531);"
            " ask the reader for another address, or use a relay that offers it",
            enhanced="5.6.7",
            relay=relay,
        )
    data = envelope.data if envelope.ready else canonical(envelope.data)
    if offers.size and len(data) > offers.size:
        return not_sent(
            f"the message has {len(data)} octets, the relay takes at most {offers.size} (SIZE, RFC 1870)",
            enhanced="5.3.4",
            relay=relay,
        )
    eight_bit = not data.isascii()
    if eight_bit and not offers.eight_bit:
        return not_sent(
            "the message holds 8-bit characters, and the relay does not offer 8BITMIME", enhanced="5.6.3", relay=relay
        )
    mail = f"MAIL FROM:<{sender}>"
    if offers.size is not None:
        mail += f" SIZE={len(data)}"
    if eight_bit:
        mail += " BODY=8BITMIME"
    if international:
        mail += " SMTPUTF8"
    return Transaction(
        mail=f"{mail}\r\n".encode(),
        rcpt=f"RCPT TO:<{recipient}>\r\n".encode(),
        data=data if envelope.ready else stuffed(data),
    )


def _is_plain(text: str) -> bool:
    return _PLAIN_ADDRESS.fullmatch(text) is not None and text.index("@") <= LOCAL_LIMIT


def _path(text: str) -> tuple[str, bool]:
    """An address as it stands in a command, and whether it needs SMTPUTF8. Raises AddressError."""
    if _is_plain(text):
        return text, False
    address = parse_address(text)
    return address.wire, address.needs_smtputf8


def _sender(text: str, relay: str) -> tuple[str, bool]:
    """The envelope sender; empty is the null return path (RFC 5321 4.5.5)."""
    if not text:
        return "", False
    try:
        return _path(text)
    except AddressError as error:
        raise RelayError(
            f"relay {relay}: the envelope sender is no address ({error}); check bounce.return_path and delivery.from"
        ) from error


def canonical(data: bytes) -> bytes:
    """The data with CRLF line ends only, the last line ended: a bare CR or LF may not be sent (RFC 5321 2.3.8).

    Servers that take a bare LF for a line end can be made to see a second message in the first ("SMTP smuggling").
    """
    if not data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n"):
        data = _LINE_END.sub(b"\r\n", data)
    return data if data.endswith(b"\r\n") or not data else data + b"\r\n"


def stuffed(data: bytes) -> bytes:
    """Canonical data as sent after DATA: a line that begins with a dot gets another (RFC 5321 4.5.2)."""
    first = b"." if data.startswith(b".") else b""
    return first + data.replace(b"\r\n.", b"\r\n..")
