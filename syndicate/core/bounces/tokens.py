"""What of our own comes back with a message: whose delivery it is about, or which subscription is to end.

All of it carries a MAC (``core.links``): who did not get our message cannot speak for her. Whether that issue was ever
sent to her is for the ledger to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from syndicate.core.bounces.addresses import addresses_in
from syndicate.core.bounces.mime import Headers, words_decoded
from syndicate.core.links import Purpose, read_message_id_token, token_of_address, verify_from_mail, verify_unsubscribe
from syndicate.errors import TokenError
from syndicate.model import Keyring

_OWN_TO: Final = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "to",
    "cc",
    "resent-to",
    "x-forwarded-to",
)
_IN_REPLY: Final = ("in-reply-to", "references", "x-original-message-id", "original-message-id", "thread-index")
_BODY: Final = r"[A-Za-z2-7]{39}"  # base32 of a MAC and two ids
_BOUNCE = re.compile(rf"\+([\w-]{{1,16}}\.{_BODY})(?=[@=])")
_MESSAGE = re.compile(rf"(?<![\w.+-])({_BODY})@")
_IN_SUBJECT = re.compile(r"\bunsubscribe\s+([\w-]{1,16}\.[\w-]{20,300})", re.IGNORECASE)
_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Mentions:
    """What looks like a token of ours in a message; nothing of it is believed yet."""

    bounce: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()


def mentions(headers: Headers, returned: Headers, text: str) -> Mentions:
    """Collect them, the surest place first: the address it came to, the returned header, then anywhere.

    An unsubscribe token counts only where the message itself was sent to: every returned message quotes one.
    """
    addressed = [address for value in headers.all(*_OWN_TO) for address in addresses_in(value, _MOST)]
    tagged = [token for address in addressed if (token := token_of_address(address)) is not None]
    came_back = "\n".join(value for _, value in returned.fields)
    replied = "\n".join(headers.all(*_IN_REPLY))
    asked = _IN_SUBJECT.findall(words_decoded(headers.get("subject"))[:500])
    return Mentions(
        bounce=_first([*tagged, *_BOUNCE.findall(came_back), *_BOUNCE.findall(text)]),
        message=_first([*_MESSAGE.findall(came_back), *_MESSAGE.findall(replied), *_MESSAGE.findall(text)]),
        unsubscribe=_first([*tagged, *asked]),
    )


def mentioned_in(names: Iterable[str]) -> Mentions:
    """What looks like a token in a Message-ID or envelope sender that a provider names."""
    text = "\n".join(names)
    return Mentions(bounce=_first(_BOUNCE.findall(text)), message=_first(_MESSAGE.findall(text)))


def delivery_of(found: Mentions, keyring: Keyring, now: datetime) -> tuple[int, int] | None:
    """Issue and subscriber of the first genuine token, or None."""
    for token in found.bounce:
        try:
            return verify_from_mail(keyring, Purpose.BOUNCE, token, now).delivery
        except TokenError:
            continue
    for token in found.message:
        try:
            return read_message_id_token(keyring, token)
        except TokenError:
            continue
    return None


def unsubscribe_token(found: Mentions, keyring: Keyring, now: datetime) -> str | None:
    """The genuine token of a ``mailto:`` unsubscribe (email.md R17), or None."""
    for token in found.unsubscribe:
        if _ends_something(keyring, token, now):
            return token
    return None


def _ends_something(keyring: Keyring, token: str, now: datetime) -> bool:
    try:
        verify_from_mail(keyring, Purpose.UNSUBSCRIBE, token, now)
    except TokenError:
        try:  # that of a joint mail stands in the subject as it does in its link
            verify_unsubscribe(keyring, token, now)
        except TokenError:
            return False
    return True


def _first(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:_MOST]
