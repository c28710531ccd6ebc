"""Keys that sign in tests, and dkimpy, which is not ours, as the judge of signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from syndicate.core.dkim.keys import DkimKey, record_name
from syndicate.core.dkim.signing import Signer

DOMAIN = "courier.example"


@cache
def rsa_key(selector: str = "s2026", bits: int = 2048) -> DkimKey:
    return DkimKey(selector=selector, private=generate_private_key(65537, bits))


@cache
def ed25519_key(selector: str = "e2026") -> DkimKey:
    return DkimKey(selector=selector, private=Ed25519PrivateKey.generate())


@cache
def signer() -> Signer:
    return Signer(DOMAIN, [rsa_key(), ed25519_key()])


def zone(keys: Iterable[DkimKey] = (), domain: str = DOMAIN) -> dict[str, str]:
    """What stands in the DNS: text by name."""
    return {record_name(key.selector, domain): key.record for key in keys or (rsa_key(), ed25519_key())}


def verdicts(message: bytes, records: Mapping[str, str] | None = None) -> list[bool]:
    """Whether each signature of a message holds, from the top."""
    known = zone() if records is None else records

    def look_up(name: bytes, timeout: float = 5) -> bytes | None:
        found = known.get(name.decode().rstrip("."))
        return None if found is None else found.encode()

    def holds(place: int) -> bool:
        try:
            return bool(dkim.DKIM(message).verify(place, dnsfunc=look_up))
        except dkim.DKIMException:
            return False

    count = message.partition(b"\r\n\r\n")[0].lower().count(b"dkim-signature:")
    return [holds(place) for place in range(count)]


def tags(message: bytes, place: int = 0) -> dict[str, str]:
    """The tags of a signature, its white space taken out."""
    head = message.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").split("\r\n")
    line = [each for each in head if each.startswith("DKIM-Signature: ")][place]
    pairs = (each.partition("=") for each in line.partition(": ")[2].split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
