"""Signed links: the tokens of confirm, unsubscribe, preferences and bounce addresses, and of Message-IDs.

A token is ``KEYID.BODY``; the body holds the ids (masked, so that nobody counts our readers from it), an expiry where
there is one, and a MAC over both and the purpose. Where keys come from: ``io/keys.py``. What an address does: ``web/``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from syndicate.core.addresses import LOCAL_LIMIT
from syndicate.errors import AddressError, ExpiredTokenError, TokenError
from syndicate.model import Keyring

MAC_SIZE: Final = 16  # 128 bits (email.md R12)
_NUMBER: Final = 4  # bytes; ids and seconds since 1970 are 32-bit: columns are INTEGER, and the year 2106 is far
_NUMBERS: Final = {count: struct.Struct(f">{count}I") for count in (1, 2, 3)}
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_BLOCK: Final = 64  # octets of a block of SHA-256
_INVALID: Final = "this link is not valid: it was altered, cut short, or belongs to another page"


class Purpose(StrEnum):
    """What a token is good for; it is part of what is signed, so no token serves two purposes."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    BOUNCE = "bounce"
    MESSAGE = "message"


# How many ids a token of the purpose holds: a subscription, or an issue and a subscriber.
_IDS: Final = {
    Purpose.CONFIRM: 1,
    Purpose.UNSUBSCRIBE: 1,
    Purpose.PREFERENCES: 1,
    Purpose.BOUNCE: 2,
    Purpose.MESSAGE: 2,
}


@dataclass(frozen=True, slots=True)
class Payload:
    """What a genuine token says: the ids in the order they were signed, and when it ends."""

    purpose: Purpose
    ids: tuple[int, ...]
    expires_at: datetime | None = None

    @property
    def subscription_id(self) -> int:
        """Of confirm, unsubscribe and preferences tokens."""
        (number,) = self.ids
        return number

    @property
    def delivery(self) -> tuple[int, int]:
        """Issue id and subscriber id, of bounce and message tokens."""
        issue_id, subscriber_id = self.ids
        return issue_id, subscriber_id


def sign(keyring: Keyring, purpose: Purpose, *ids: int, expires_at: datetime | None = None) -> str:
    """A token for an address of the web: base64url without padding, fixed length for a purpose, under 60 characters.

    ``ids``: a subscription id, or issue id and subscriber id for ``BOUNCE``. Confirm tokens must have an expiry.
    """
    key = keyring.keys[0]
    return f"{key.id}.{_base64(_seal(key.secret, purpose, ids, expires_at))}"


def sign_for_mail(keyring: Keyring, purpose: Purpose, *ids: int, expires_at: datetime | None = None) -> str:
    """The same token for the local part of an address: base32 in lower case, since mail servers may fold case."""
    key = keyring.keys[0]
    return f"{key.id}.{_base32(_seal(key.secret, purpose, ids, expires_at))}"


def sign_for_both(keyring: Keyring, purpose: Purpose, *ids: int) -> tuple[str, str]:
    """``sign`` and ``sign_for_mail`` of the same ids: the costly half of the two is one."""
    key = keyring.keys[0]
    sealed = _seal(key.secret, purpose, ids, None)
    return f"{key.id}.{_base64(sealed)}", f"{key.id}.{_base32(sealed)}"


def verify(keyring: Keyring, purpose: Purpose, token: str, now: datetime) -> Payload:
    """Read a token made by ``sign``.

    Raises ExpiredTokenError for a genuine token whose time is over, else TokenError, which tells nobody whether the
    token was altered or belongs to another purpose.
    """
    return _verify(keyring, purpose, token, now, decode=_from_base64)


def verify_from_mail(keyring: Keyring, purpose: Purpose, token: str, now: datetime) -> Payload:
    """Read a token made by ``sign_for_mail``, in whatever case it comes back. Raises as ``verify``."""
    return _verify(keyring, purpose, token.lower(), now, decode=_from_base32)


def message_id_token(keyring: Keyring, issue_id: int, subscriber_id: int) -> str:
    """The left part of the fixed Message-ID of one delivery: opaque, and the same for ever.

    Made with the key that never rotates: a resend after a rotation must be the same message to the reader's server.
    """
    return _base32(_seal(keyring.hash_key, Purpose.MESSAGE, (issue_id, subscriber_id), None))


def read_message_id_token(keyring: Keyring, token: str) -> tuple[int, int]:
    """Issue id and subscriber id from a Message-ID's left part: all that a redacted complaint may leave (RFC 6590).

    Raises TokenError.
    """
    try:
        return _open(keyring.hash_key, Purpose.MESSAGE, _from_base32(token.lower())).delivery
    except ValueError:
        raise TokenError(_INVALID) from None


def confirm_url(public_url: str, token: str) -> str:
    """The page with the button of double opt-in."""
    return f"{public_url}/confirm/{token}"


def unsubscribe_url(public_url: str, token: str) -> str:
    """The page with the unsubscribe button, and the address of one-click POSTs (RFC 8058)."""
    return f"{public_url}/unsubscribe/{token}"


def preferences_url(public_url: str, token: str) -> str:
    """The page where a reader changes frequency, topics, language and name."""
    return f"{public_url}/preferences/{token}"


def tagged_address(address: str, token: str) -> str:
    """An address with a token behind "+" in its local part: ``bounces@d`` becomes ``bounces+TOKEN@d`` (VERP, mailto).

    Raises AddressError when the local part would be longer than the 64 octets of RFC 5321 4.5.3.1.1.
    """
    local, _, domain = address.rpartition("@")
    tagged = f"{local}+{token}"
    if len(tagged) > LOCAL_LIMIT:
        room = LOCAL_LIMIT - 1 - len(token)
        raise AddressError(f"{address}: with the {len(token)} characters of a token the part before the @ "
                           f"would pass {LOCAL_LIMIT}; use at most {room} characters before the @")  # fmt: skip
    return f"{tagged}@{domain}"


def token_of_address(address: str) -> str | None:
    """The token of an address made by ``tagged_address``, or None. Says nothing about its being genuine."""
    return address.rpartition("@")[0].partition("+")[2] or None


def _seal(secret: bytes, purpose: Purpose, ids: tuple[int, ...], expires_at: datetime | None) -> bytes:
    keys = _keyed(secret, purpose)
    if len(ids) != keys.ids:
        raise ValueError(f"a {purpose} token holds {keys.ids} ids, not {len(ids)}")
    if expires_at is not None:
        plain = _NUMBERS[keys.ids + 1].pack(*ids, int(expires_at.timestamp()))
    elif purpose is Purpose.CONFIRM:
        raise ValueError("a confirm token must expire")
    else:
        plain = _NUMBERS[keys.ids].pack(*ids)
    mac = keys.sign(plain)
    return mac + keys.mask(mac, plain)


def _open(secret: bytes, purpose: Purpose, sealed: bytes) -> Payload:
    keys = _keyed(secret, purpose)
    mac, masked = sealed[:MAC_SIZE], sealed[MAC_SIZE:]
    numbers, odd = divmod(len(masked), _NUMBER)
    if odd or numbers - keys.ids not in (0, 1):
        raise ValueError("wrong length")
    plain = keys.mask(mac, masked)
    if not hmac.compare_digest(mac, keys.sign(plain)):
        raise ValueError("wrong MAC")
    values = _NUMBERS[numbers].unpack(plain)
    expires_at = datetime.fromtimestamp(values[keys.ids], UTC) if numbers > keys.ids else None
    return Payload(purpose=purpose, ids=values[: keys.ids], expires_at=expires_at)


def _verify(keyring: Keyring, purpose: Purpose, token: str, now: datetime, decode: Callable[[str], bytes]) -> Payload:
    key_id, _, body = token.partition(".")
    for key in keyring.keys:
        if key.id == key_id:
            try:
                payload = _open(key.secret, purpose, decode(body))
            except ValueError:
                break
            if payload.expires_at is not None and payload.expires_at <= now:
                raise ExpiredTokenError("this link has expired")
            return payload
    raise TokenError(_INVALID)


class _Keys:
    """What one secret makes for one purpose. Keying an HMAC costs more than using it: it is keyed once and copied.

    The HMAC is spelt out (RFC 2104 2): the module's own is a third slower, and each message has four of them.
    """

    __slots__ = ("_inner", "_mask", "_outer", "ids")

    def __init__(self, secret: bytes, purpose: Purpose) -> None:
        self.ids = _IDS[purpose]
        key = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(key.translate(hmac.trans_36) + f"syndicate link {purpose}\0".encode())
        self._outer = hashlib.sha256(key.translate(hmac.trans_5C))
        self._mask = hashlib.sha256(hmac.digest(secret, f"syndicate mask {purpose}\0".encode(), "sha256"))

    def sign(self, plain: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(plain)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:MAC_SIZE]

    def mask(self, mac: bytes, plain: bytes) -> bytes:
        # The MAC serves as the nonce (as in SIV, RFC 5297): equal ids give equal tokens, others share nothing visible.
        # A plain keyed SHA-256 is a sound mask here: its input has one fixed length, so nothing can be appended.
        state = self._mask.copy()
        state.update(mac)
        size = len(plain)
        stream = int.from_bytes(state.digest()[:size], "big")
        return (int.from_bytes(plain, "big") ^ stream).to_bytes(size, "big")


_keyed = lru_cache(maxsize=256)(_Keys)


_TO_URL: Final = str.maketrans("+/", "-_")


def _from_base64(text: str) -> bytes:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # One spelling only: decoders drop foreign characters and the last character's spare bits.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise ValueError("not canonical")
    return raw


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii").translate(_TO_URL).rstrip("=")


def _base32(raw: bytes) -> str:
    # base64.b32encode is written in Python and takes 3.1 us for 24 bytes; ten bits at a time take 2.2 us.
    spare = -len(raw) * 8 % 10
    number = int.from_bytes(raw, "big") << spare
    top = len(raw) * 8 + spare - 10
    text = "".join([_PAIRS[number >> shift & 1023] for shift in range(top, -1, -10)])
    return text[: -(-len(raw) * 8 // 5)]


def _from_base32(text: str) -> bytes:
    raw = base64.b32decode(text + "=" * (-len(text) % 8), casefold=True)
    if _base32(raw) != text:
        raise ValueError("not canonical")
    return raw
