"""A key that signs, read from PEM, and the DNS record that tells its public half (RFC 6376 3.6.1, RFC 8463 4).

Reading and making key files: ``io/dkim_keys.py``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from syndicate.errors import KeyFileError

#: Bits of RSA: what verifiers must take at least and at most, and what senders should have (RFC 8301 3.2).
LEAST_BITS, GOOD_BITS, MOST_BITS = 1024, 2048, 4096
#: The kinds of keys, as the tag ``k=`` of a record names them; the one that every receiver knows comes first.
KINDS: tuple[Literal["rsa", "ed25519"], ...] = ("rsa", "ed25519")
#: Octets of one string of a TXT record (RFC 1035 3.3.14).
TXT_STRING = 255
_PADDING, _HASH = PKCS1v15(), Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """A private key under its selector; its text shows nothing of it."""

    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"DkimKey({self.selector!r}, {self.kind}, {self.bits} bits)"

    @property
    def kind(self) -> Literal["rsa", "ed25519"]:
        """As the tag ``k=`` of its record names it."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def algorithm(self) -> str:
        """As the tag ``a=`` of its signatures names it."""
        return f"{self.kind}-sha256"

    @property
    def bits(self) -> int:
        """Its length."""
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    @property
    def public(self) -> str:
        """The public half in base64, as the tag ``p=`` holds it: SubjectPublicKeyInfo of RSA, bare of Ed25519."""
        if isinstance(self.private, RSAPrivateKey):
            data = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            data = self.private.public_key().public_bytes_raw()
        return base64.b64encode(data).decode("ascii")

    @property
    def record(self) -> str:
        """The whole text of its TXT record."""
        return f"v=DKIM1; k={self.kind}; p={self.public}"

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256; of the same one always the same."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _HASH)
        return self.private.sign(digest)


def read_key(selector: str, pem: bytes, where: str) -> DkimKey:
    """A key from its PEM text. Raises KeyFileError, which names ``where``, for any other and for one too short."""
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:  # it wants a password
        raise KeyFileError(
            f"{where} is locked with a password; a key that signs by itself stands without one"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{where} holds no private key in PEM; `syndicate dkim new` makes one") from None
    if isinstance(private, Ed25519PrivateKey):
        return DkimKey(selector=selector, private=private)
    if not isinstance(private, RSAPrivateKey):
        raise KeyFileError(f"{where} holds a key of a kind that DKIM does not know; expected RSA or Ed25519")
    if not LEAST_BITS <= private.key_size <= MOST_BITS:
        raise KeyFileError(
            f"{where} holds an RSA key of {private.key_size} bits; receivers take {LEAST_BITS} to {MOST_BITS}, "
            f"and {GOOD_BITS} is right (RFC 8301)"
        )
    return DkimKey(selector=selector, private=private)


def signing_keys(keys: Iterable[DkimKey]) -> list[DkimKey]:
    """The keys that sign: the first of each kind, RSA on top. The others wait for their turn, or have had it."""
    first: dict[str, DkimKey] = {}
    for key in keys:
        first.setdefault(key.kind, key)
    return [first[kind] for kind in KINDS if kind in first]


def record_name(selector: str, domain: str) -> str:
    """Where the record of a selector stands."""
    return f"{selector}._domainkey.{domain}"


def txt_strings(record: str) -> list[str]:
    """A record's text in the pieces that a TXT record takes; a receiver joins them without anything between."""
    return [record[start : start + TXT_STRING] for start in range(0, len(record), TXT_STRING)]


def zone_line(name: str, record: str) -> str:
    """The record as a line of a zone file (RFC 1035 5.1)."""
    pieces = " ".join(f'"{piece}"' for piece in txt_strings(record))
    return f"{name}. IN TXT ( {pieces} )"
