"""Signs a finished message with every key (RFC 6376 5): relaxed/relaxed, no ``l=``, the last thing before it leaves.

What is signed depends on nothing but the message, the keys and the time that is given, so a second try has the same
bytes as the first one.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from syndicate.core.dkim.canonical import relaxed_body, relaxed_fields, split_message
from syndicate.core.dkim.keys import DkimKey

#: The fields that are signed, where they stand (email.md R13): all that readers and their programs act on.
SIGNED = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"list-id",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-archive",
    b"auto-submitted",
    b"precedence",
    b"x-auto-response-suppress",
    b"feedback-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
#: Named once more than they stand there: another one that somebody adds breaks the signature (RFC 6376 8.15).
OVERSIGNED = frozenset(
    {
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
        b"list-unsubscribe",
        b"list-unsubscribe-post",
        b"mime-version",
        b"content-type",
    }
)
_LINE = 76  # of the field's lines, beside the blank that begins them
_KEPT = 64  # shapes of messages whose fields are kept; there are two or three


class _Frame(NamedTuple):
    """The field of one key around what differs by message: as it goes, and in its relaxed form."""

    key: DkimKey
    before_hash: bytes
    relaxed_before_hash: bytes


class Signer:
    """Signs for one domain. Safe to share between threads."""

    def __init__(self, domain: str, keys: Sequence[DkimKey]) -> None:
        """``domain``: as A-labels. One signature with each of the keys; the first one stands on top."""
        self.domain = domain
        self.keys = tuple(keys)
        self._frames: dict[tuple[bytes, ...], list[_Frame]] = {}

    def __call__(self, message: bytes, at: datetime, *, relaxed: bool = False) -> bytes:
        """The message with its signatures before it; ``at``: the time they tell, aware.

        ``relaxed``: its body is known to be in that form, which spares a look at every octet.
        """
        head, body = split_message(message)
        fields = relaxed_fields(head)
        named = tuple(field.name for field in fields)
        frames = self._frames.get(named) or self._frame(named)
        # Of several fields of one name the last one is taken first (RFC 6376 5.4.2).
        by_name: dict[bytes, list[bytes]] = {}
        for field in fields:
            by_name.setdefault(field.name, []).append(field.relaxed)
        lines = [line for name in SIGNED for line in reversed(by_name.get(name, ()))]
        hashed = hashlib.sha256(b"\r\n".join([*lines, b""]))
        body_hash = base64.b64encode(hashlib.sha256(body if relaxed else relaxed_body(body)).digest())
        time = b"%d" % at.timestamp()
        signed = []
        for key, before, in_short in frames:
            whole = hashed.copy()
            whole.update(in_short % (time, body_hash))
            signature = base64.b64encode(key.sign(whole.digest()))
            signed.append(before % (time, body_hash) + _wrapped(signature))
        return b"".join([*signed, message])

    def _frame(self, named: tuple[bytes, ...]) -> list[_Frame]:
        count = Counter(named)
        names = [name for each in SIGNED for name in [each] * (count[each] + (each in OVERSIGNED))]
        frames = []
        for key in self.keys:
            head = f"v=1; a={key.algorithm}; c=relaxed/relaxed;".encode()
            place = f" d={self.domain}; s={key.selector}; t=%b;".encode()
            # Folded where the relaxed form has a blank too, so that the one is made from the other.
            lines = [b"DKIM-Signature: " + head, place, *_listed(names), b" bh=%b;", b" b="]
            before = b"\r\n".join(lines)
            relaxed = b"dkim-signature:" + before.partition(b": ")[2].replace(b"\r\n", b"")
            frames.append(_Frame(key, before, relaxed))
        if len(self._frames) < _KEPT:
            self._frames[named] = frames
        return frames


def _listed(names: Sequence[bytes]) -> list[bytes]:
    """The tag ``h=`` in lines of the field."""
    lines = []
    line = b" h="
    for place, name in enumerate(names):
        entry = name + (b":" if place < len(names) - 1 else b";")
        if len(line) + len(entry) > _LINE:
            lines.append(line)
            line = b" "
        line += entry
    return [*lines, line]


def _wrapped(signature: bytes) -> bytes:
    room = _LINE - len(" b=")
    first, rest = signature[:room], signature[room:]
    return b"\r\n ".join([first, *(rest[at : at + _LINE] for at in range(0, len(rest), _LINE))]) + b"\r\n"
