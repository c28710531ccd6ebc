"""Reads the public key that a DKIM record publishes (RFC 6376 3.6.1, RFC 8463)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from syndicate.core.doctor.tags import TagError, read_tags

_ED25519_SIZE = 32
RSA, ED25519 = "rsa", "ed25519"


class DkimSyntaxError(ValueError):
    """Verifiers cannot use the record; the text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to compare and to judge: ``material`` is the same for the same key, however it was written."""

    kind: str
    bits: int
    material: bytes

    @property
    def shown(self) -> str:
        """As people write it: RSA with 2048 bits, Ed25519."""
        return "Ed25519" if self.kind == ED25519 else f"RSA with {self.bits} bits"


@dataclass(frozen=True, slots=True)
class DkimRecord:
    """A record: ``key`` None means that it was revoked."""

    key: PublicKey | None
    flags: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset({"*"})

    @property
    def testing(self) -> bool:
        return "y" in self.flags


def looks_like_dkim(text: str) -> bool:
    """Whether a TXT record is meant as a DKIM key."""
    return re.search(r"(?:^|;)\s*(?:v\s*=\s*DKIM1|p\s*=)", text) is not None


def read_dkim(text: str) -> DkimRecord:
    """Read a record. Raises DkimSyntaxError."""
    if '"' in text:
        raise DkimSyntaxError("there are quotation marks inside the record: they were put in with its text")
    try:
        tags = read_tags(text)
    except TagError as error:
        raise DkimSyntaxError(str(error)) from error
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise DkimSyntaxError("v=DKIM1 must stand first, in capitals")
    if "p" not in tags:
        raise DkimSyntaxError("there is no p= with the key")
    flags, hashes, services = (
        frozenset(part.strip() for part in tags.get(tag, "").split(":") if part.strip()) for tag in ("t", "h", "s")
    )
    text_of_key = "".join(tags["p"].split())
    key = public_key(tags.get("k", RSA).lower(), text_of_key) if text_of_key else None
    return DkimRecord(key, flags, hashes, services or frozenset({"*"}))


def public_key(kind: str, text: str) -> PublicKey:
    """The key of ``k=`` and ``p=``. Raises DkimSyntaxError."""
    if kind not in {RSA, ED25519}:
        raise DkimSyntaxError(f"k={kind}: there are keys of the kinds rsa and ed25519")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DkimSyntaxError("its p= is not base64: was it cut, or was something put in between?") from error
    if kind == ED25519 and len(raw) == _ED25519_SIZE:
        return PublicKey(ED25519, 256, raw)
    try:
        found = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise DkimSyntaxError(f"its p= holds no {kind.upper()} key: was it cut?") from error
    key = of_public_key(found)
    if key is None or key.kind != kind:
        raise DkimSyntaxError(f"its p= holds a key of another kind than k={kind}")
    if kind == ED25519:
        raise DkimSyntaxError("its p= must be the 32 bytes of the key alone (RFC 8463 4.2)")
    return key


def of_public_key(key: object) -> PublicKey | None:
    """The same from a key of ``cryptography``; None when DKIM knows no such keys."""
    if isinstance(key, RSAPublicKey):
        return PublicKey(RSA, key.key_size, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(ED25519, 256, key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return None
