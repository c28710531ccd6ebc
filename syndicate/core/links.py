"""Signed links: the tokens of confirm, unsubscribe, preferences and bounce addresses, and of Message-IDs.

A token is ``KEYID.BODY``; the body holds the ids (masked, so that nobody counts our readers from it), an expiry where
there is one, and a MAC over both and the purpose. Where keys come from: ``io/keys.py``. What an address does: ``web/``.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from syndicate.core.addresses import LOCAL_LIMIT
from syndicate.core.token_letters import from_base32, from_base64, to_base32, to_base64
from syndicate.errors import AddressError, ExpiredTokenError, TokenError
from syndicate.model import Keyring

MAC_SIZE: Final = 16  # 128 bits (email.md R12)
_NUMBER: Final = 4  # bytes; ids and seconds since 1970 are 32-bit: columns are INTEGER, and the year 2106 is far
_NUMBERS: Final = {count: struct.Struct(f">{count}I") for count in (1, 2, 3)}
#: Subscriptions that cannot be: ids are INTEGER columns, a token has room for twice as many. ``doctor`` tries links
#: with them.
PROBES: Final = range(1 << 31, 1 << 32)
_FEWEST_JOINT, _MOST_JOINT = 2, 8  # ids are masked by one SHA-256
_BLOCK: Final = 64  # octets of a block of SHA-256
_INVALID: Final = "this link is not valid: it was altered, cut short, or belongs to another page"


class Purpose(StrEnum):
    """What a token is good for; it is part of what is signed, so no token serves two purposes."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    ADDRESS = "address"
    FORM = "form"
    BOUNCE = "bounce"
    MESSAGE = "message"
    UNSUBSCRIBE_JOINT = "unsubscribe_joint"


# How many ids a token of the purpose holds: a subscription, a change of address, the second at which a form was made,
# or an issue and a subscriber.
_IDS: Final = {
    Purpose.CONFIRM: 1,
    Purpose.UNSUBSCRIBE: 1,
    Purpose.PREFERENCES: 1,
    Purpose.ADDRESS: 1,
    Purpose.FORM: 1,
    Purpose.BOUNCE: 2,
    Purpose.MESSAGE: 2,
    Purpose.UNSUBSCRIBE_JOINT: 0,  # as many as a mail joins: ``sign_joint``
}

_MUST_EXPIRE: Final = {Purpose.CONFIRM, Purpose.ADDRESS, Purpose.FORM}


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
    return f"{key.id}.{to_base64(_seal(key.secret, purpose, ids, expires_at)).decode()}"


def sign_for_mail(keyring: Keyring, purpose: Purpose, *ids: int, expires_at: datetime | None = None) -> str:
    """The same token for the local part of an address: base32 in lower case, since mail servers may fold case."""
    key = keyring.keys[0]
    return f"{key.id}.{to_base32(_seal(key.secret, purpose, ids, expires_at)).decode()}"


class DeliveryTokens(NamedTuple):
    """All tokens that the message of one delivery carries, in ASCII."""

    unsubscribe: bytes
    unsubscribe_by_mail: bytes
    preferences: bytes
    message_id: bytes
    bounce: bytes


def token_maker(keyring: Keyring) -> Callable[[int, int, int], DeliveryTokens]:
    """Makes the tokens of deliveries, from issue, subscriber and subscription id: what ``sign`` and the others make.

    This is on the path of every message: twice as quick as signing each by itself.
    """
    key = keyring.keys[0]
    lead = f"{key.id}.".encode()
    of_unsubscribe = _keyed(key.secret, Purpose.UNSUBSCRIBE).seal
    of_preferences = _keyed(key.secret, Purpose.PREFERENCES).seal
    of_bounce = _keyed(key.secret, Purpose.BOUNCE).seal
    of_message = _keyed(keyring.hash_key, Purpose.MESSAGE).seal
    one, two = _NUMBERS[1].pack, _NUMBERS[2].pack

    def make(issue_id: int, subscriber_id: int, subscription_id: int) -> DeliveryTokens:
        subscription, delivery = one(subscription_id), two(issue_id, subscriber_id)
        leave = of_unsubscribe(subscription)
        return DeliveryTokens(
            lead + to_base64(leave),
            lead + to_base32(leave),
            lead + to_base64(of_preferences(subscription)),
            to_base32(of_message(delivery)),
            lead + to_base32(of_bounce(delivery)),
        )

    return make


def sign_joint(keyring: Keyring, subscription_ids: Sequence[int]) -> str:
    """The token of an unsubscribe link that ends several subscriptions of one reader, two to eight: base64url."""
    if not _FEWEST_JOINT <= len(subscription_ids) <= _MOST_JOINT:
        raise ValueError(f"a link ends {_FEWEST_JOINT} to {_MOST_JOINT} subscriptions, not {len(subscription_ids)}")
    key = keyring.keys[0]
    plain = struct.pack(f">{len(subscription_ids)}I", *subscription_ids)
    return f"{key.id}.{to_base64(_keyed(key.secret, Purpose.UNSUBSCRIBE_JOINT).seal(plain)).decode()}"


def verify_unsubscribe(keyring: Keyring, token: str, now: datetime) -> tuple[int, ...]:
    """The subscriptions that an unsubscribe link ends: one, or those of a joint mail. Raises TokenError."""
    try:
        return verify(keyring, Purpose.UNSUBSCRIBE, token, now).ids
    except TokenError:
        ids = _open_joint(keyring, token)
        if not ids:
            raise
        return ids


def _open_joint(keyring: Keyring, token: str) -> tuple[int, ...]:
    key_id, _, body = token.partition(".")
    for key in keyring.keys:
        if key.id == key_id:
            keys = _keyed(key.secret, Purpose.UNSUBSCRIBE_JOINT)
            try:
                sealed = from_base64(body)
            except ValueError:
                return ()
            count, odd = divmod(len(sealed) - MAC_SIZE, _NUMBER)
            if odd or not _FEWEST_JOINT <= count <= _MOST_JOINT:
                return ()
            plain = keys.mask(sealed[:MAC_SIZE], sealed[MAC_SIZE:])
            return struct.unpack(f">{count}I", plain) if hmac.compare_digest(sealed, keys.seal(plain)) else ()
    return ()


def verify(keyring: Keyring, purpose: Purpose, token: str, now: datetime) -> Payload:
    """Read a token made by ``sign``.

    Raises ExpiredTokenError for a genuine token whose time is over, else TokenError, which tells nobody whether the
    token was altered or belongs to another purpose.
    """
    return _verify(keyring, purpose, token, now, decode=from_base64)


def verify_from_mail(keyring: Keyring, purpose: Purpose, token: str, now: datetime) -> Payload:
    """Read a token made by ``sign_for_mail``, in whatever case it comes back. Raises as ``verify``."""
    return _verify(keyring, purpose, token.lower(), now, decode=from_base32)


def message_id_token(keyring: Keyring, issue_id: int, subscriber_id: int) -> str:
    """The left part of the fixed Message-ID of one delivery: opaque, and the same for ever.

    Made with the key that never rotates: a resend after a rotation must be the same message to the reader's server.
    """
    return to_base32(_seal(keyring.hash_key, Purpose.MESSAGE, (issue_id, subscriber_id), None)).decode()


def read_message_id_token(keyring: Keyring, token: str) -> tuple[int, int]:
    """Issue id and subscriber id from a Message-ID's left part: all that a redacted complaint may leave (RFC 6590).

    Raises TokenError.
    """
    try:
        return _open(keyring.hash_key, Purpose.MESSAGE, from_base32(token.lower())).delivery
    except ValueError:
        raise TokenError(_INVALID) from None


def confirm_url(public_url: str, token: str) -> str:
    """The page with the button of double opt-in."""
    return f"{public_url}/confirm/{token}"


def address_url(public_url: str, token: str) -> str:
    """The page with the button that confirms a new address."""
    return f"{public_url}/address/{token}"


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
    elif purpose in _MUST_EXPIRE:
        raise ValueError(f"a token of purpose {purpose} must expire")
    else:
        plain = _NUMBERS[keys.ids].pack(*ids)
    return keys.seal(plain)


def _open(secret: bytes, purpose: Purpose, sealed: bytes) -> Payload:
    keys = _keyed(secret, purpose)
    mac, masked = sealed[:MAC_SIZE], sealed[MAC_SIZE:]
    numbers, odd = divmod(len(masked), _NUMBER)
    if odd or numbers - keys.ids not in (0, 1):
        raise ValueError("wrong length")
    plain = keys.mask(mac, masked)
    if not hmac.compare_digest(sealed, keys.seal(plain)):
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


class _Keys(NamedTuple):
    """What one secret makes for one purpose: how many ids its tokens hold, and the two halves of making one."""

    ids: int
    #: The MAC of a plain text, and the text masked behind it.
    seal: Callable[[bytes], bytes]
    #: A text masked or unmasked, by its MAC.
    mask: Callable[[bytes, bytes], bytes]


def _keys(secret: bytes, purpose: Purpose) -> _Keys:
    # Keying an HMAC costs more than using it, so it is keyed once and copied. It is spelt out (RFC 2104 2) and made of
    # closures: the module's own is a third slower, methods are twice as slow, and each message has four of them.
    key = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
    inner_half = hashlib.sha256(key.translate(hmac.trans_36) + f"syndicate link {purpose}\0".encode()).copy
    outer_half = hashlib.sha256(key.translate(hmac.trans_5C)).copy
    mask_key = hashlib.sha256(hmac.digest(secret, f"syndicate mask {purpose}\0".encode(), "sha256")).copy
    number = int.from_bytes

    def seal(plain: bytes) -> bytes:
        inner = inner_half()
        inner.update(plain)
        outer = outer_half()
        outer.update(inner.digest())
        mac = outer.digest()[:MAC_SIZE]
        return mac + mask(mac, plain)

    def mask(mac: bytes, text: bytes) -> bytes:
        # The MAC serves as the nonce (as in SIV, RFC 5297): equal ids give equal tokens, others share nothing visible.
        # A plain keyed SHA-256 is a sound mask here: its input has one fixed length, so nothing can be appended.
        state = mask_key()
        state.update(mac)
        size = len(text)
        return (number(text, "big") ^ number(state.digest()[:size], "big")).to_bytes(size, "big")

    return _Keys(_IDS[purpose], seal, mask)


_keyed = lru_cache(maxsize=256)(_keys)
