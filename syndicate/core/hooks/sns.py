"""Amazon's envelope around SES: SNS signs each message with a certificate that it names by its address.

Who may name one is the question: only Amazon's own hosts for SNS, by https. Everything else is refused unasked.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from syndicate.core.hooks.genuine import FRESH, Seal, fresh, octets
from syndicate.core.hooks.told import text
from syndicate.errors import HookRefusedError

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"
_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def amazons(url: str) -> bool:
    """Whether an address is one of SNS itself: https, a host of it, no other port, no user."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and _HOST.fullmatch(parts.netloc.lower().removesuffix(":443")) is not None
        and port in {None, 443}
        and not re.search(r"[\s\\\x00-\x1f\x7f]", url)
    )


def verify(document: Any, topic: str, certificate: Callable[[str], bytes], now: datetime) -> Seal:
    """Check topic, time and signature. ``certificate`` gets a PEM from an address that is Amazon's.

    Raises HookRefusedError, and whatever ``certificate`` raises.
    """
    kind = text(document, "Type")
    if kind not in _SIGNED or not isinstance(document, Mapping):
        raise HookRefusedError("it is no message of SNS")
    if text(document, "TopicArn") != topic:
        raise HookRefusedError("it is of another topic")
    url = text(document, "SigningCertURL") or text(document, "SigningCertUrl")
    if not amazons(url) or not urlsplit(url).path.endswith(".pem"):
        raise HookRefusedError("its certificate is not at an address of Amazon's")
    version = text(document, "SignatureVersion")
    if version not in {"1", "2"}:
        raise HookRefusedError("its signature is of an unknown kind")
    fresh(text(document, "Timestamp"), now, FRESH)
    _check(document, _SIGNED[kind], certificate(url), SHA1() if version == "1" else SHA256(), now)  # noqa: S303 - as SNS does
    return Seal(hashlib.sha256(octets(text(document, "MessageId"))).hexdigest())


def _check(
    document: Mapping[str, Any], names: tuple[str, ...], pem: bytes, digest: SHA1 | SHA256, now: datetime
) -> None:
    signed = "".join(f"{name}\n{text(document, name)}\n" for name in names if name in document)
    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
        signature = base64.b64decode(text(document, "Signature"), validate=True)
    except ValueError:
        raise HookRefusedError("its signature or certificate cannot be read") from None
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc or not isinstance(key, RSAPublicKey):
        raise HookRefusedError("its certificate is not valid now")
    try:
        key.verify(signature, octets(signed), PKCS1v15(), digest)
    except InvalidSignature:
        raise HookRefusedError("its signature is wrong") from None
