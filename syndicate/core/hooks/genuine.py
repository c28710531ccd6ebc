"""Whether a call is genuine: the signatures of providers, each as its documentation has it.

Each returns by what the call is known again (a replay has the same) and when it was signed; None: by its content.
Raises HookRefusedError. A secret is never compared byte by byte (``hmac.compare_digest``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from syndicate.config.values import signing_key
from syndicate.core.hooks.told import text
from syndicate.errors import HookRefusedError

#: Providers try again for some hours what we did not take, with the first signature.
FRESH: Final = timedelta(days=1)
#: Standard Webhooks signs each try anew.
FRESH_GENERIC: Final = timedelta(minutes=5)
_UNSIGNED: Final = "it is not signed"
_WRONG: Final = "its signature is wrong"


@dataclass(frozen=True, slots=True)
class Seal:
    """By what a genuine call is known again."""

    key: str


def of_content(body: bytes) -> Seal:
    """For calls that have no number: the same content is the same call."""
    return Seal(hashlib.sha256(body).hexdigest())


def password(headers: Mapping[str, str], body: bytes, secret: str) -> Seal:
    """Postmark, Brevo: the secret stands in Authorization, as a bearer token or as Basic ``user:password``."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "bearer":
            offered = given.strip()
        case "basic":
            try:
                offered = base64.b64decode(given.strip(), validate=True).decode("utf-8", "replace")
            except ValueError:
                raise HookRefusedError(_WRONG) from None
        case _:
            raise HookRefusedError(_UNSIGNED)
    if not hmac.compare_digest(octets(offered), secret.encode()):
        raise HookRefusedError(_WRONG)
    return of_content(body)


def mailgun(document: Any, secret: str, now: datetime) -> Seal:
    """HMAC-SHA256 over timestamp and token. It does not cover the event: so a token counts once."""
    stamp, token = text(document, "signature", "timestamp"), text(document, "signature", "token")
    given = text(document, "signature", "signature")
    if not (stamp and token and given):
        raise HookRefusedError(_UNSIGNED)
    right = hmac.new(secret.encode(), octets(f"{stamp}{token}"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), octets(given)):
        raise HookRefusedError(_WRONG)
    fresh(stamp, now, FRESH)
    return Seal(hashlib.sha256(octets(token)).hexdigest())


def sendgrid(headers: Mapping[str, str], body: bytes, public_key: str, now: datetime) -> Seal:
    """ECDSA over timestamp and body; the key is base64 of DER."""
    given = headers.get("x-twilio-email-event-webhook-signature", "")
    stamp = headers.get("x-twilio-email-event-webhook-timestamp", "")
    if not (given and stamp):
        raise HookRefusedError(_UNSIGNED)
    try:
        key = load_der_public_key(base64.b64decode(public_key))
        signature = base64.b64decode(given, validate=True)
    except (ValueError, UnsupportedAlgorithm):
        raise HookRefusedError(_WRONG) from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise HookRefusedError("public_key is no ECDSA key")
    try:
        key.verify(signature, octets(stamp) + body, ECDSA(SHA256()))
    except InvalidSignature:
        raise HookRefusedError(_WRONG) from None
    fresh(stamp, now, FRESH)
    return of_content(octets(stamp) + body)


def generic(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Seal:
    """Standard Webhooks 1.0.0, as our own are signed (docs/webhooks.md)."""
    number, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (number and stamp and given):
        raise HookRefusedError(_UNSIGNED)
    signed = octets(f"{number}.{stamp}.") + body
    right = base64.b64encode(hmac.new(signing_key(secret), signed, hashlib.sha256).digest()).decode()
    parts = [octets(part.removeprefix("v1,")) for part in given.split()[:10]]
    if not any(hmac.compare_digest(right.encode(), part) for part in parts):
        raise HookRefusedError(_WRONG)
    fresh(stamp, now, FRESH_GENERIC)
    return Seal(hashlib.sha256(octets(number)).hexdigest())


def octets(text: str) -> bytes:
    """A text as it was signed; JSON can hold halves of characters, which nobody signs."""
    return text.encode("utf-8", "replace")


def fresh(stamp: str, now: datetime, within: timedelta) -> None:
    """Refuse what was signed too long ago, or in the future. ``stamp``: seconds since 1970, or RFC 3339."""
    try:
        at = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdecimal() else datetime.fromisoformat(stamp)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        age = now - at
    except (ValueError, OverflowError, OSError):
        raise HookRefusedError("its time cannot be read") from None
    if not -FRESH_GENERIC <= age <= within:
        raise HookRefusedError("it was signed too long ago, or the clocks differ")
