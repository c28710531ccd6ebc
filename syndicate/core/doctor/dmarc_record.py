"""Reads a DMARC record by RFC 9989, which knows no pct, rf and ri any more. Where records are found: ``dmarc.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from syndicate.core.doctor.tags import TagError, read_tags

POLICIES = ("none", "quarantine", "reject")
OBSOLETE = ("pct", "rf", "ri")
_KNOWN = frozenset({"v", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "rua", "ruf", "t", *OBSOLETE})
_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_URI = re.compile(r"mailto:[^\s,!@]+@([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)(?:!\d+[kmgt]?)?", re.IGNORECASE)


class DmarcSyntaxError(ValueError):
    """Receivers cannot use the record; the text says why."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record. ``p``, ``sp``, ``np`` None: not there or not valid. ``odd``: tags whose values count for nothing."""

    p: str | None
    sp: str | None
    np: str | None
    strict_dkim: bool
    strict_spf: bool
    psd: str
    testing: bool
    rua: tuple[str, ...]
    rua_domains: tuple[str, ...]
    obsolete: tuple[str, ...]
    unknown: tuple[str, ...]
    odd: tuple[str, ...]

    @property
    def policy(self) -> str | None:
        """What receivers apply: without a valid p, none if reports are wanted (RFC 9989 4.7), else nothing at all."""
        return self.p or ("none" if self.rua_domains else None)


def is_dmarc(text: str) -> bool:
    """Whether a TXT record is a DMARC record: v=DMARC1 first, in capitals."""
    return _VERSION.match(text) is not None


def read_dmarc(text: str) -> DmarcRecord:
    """Read a record that begins with ``v=DMARC1``. Raises DmarcSyntaxError."""
    try:
        tags = read_tags(text)
    except TagError as error:
        raise DmarcSyntaxError(str(error)) from error
    odd: list[str] = []

    def one_of(tag: str, values: tuple[str, ...]) -> str | None:
        value = tags.get(tag, "").lower()
        if tag in tags and value not in values:
            odd.append(f"{tag}={tags[tag]}")
            return None
        return value or None

    uris = tuple(uri.strip() for uri in tags.get("rua", "").split(",") if uri.strip())
    valid = [(uri, found) for uri in uris if (found := _URI.fullmatch(uri))]
    odd.extend(f"rua={uri}" for uri in uris if not _URI.fullmatch(uri))
    return DmarcRecord(
        p=one_of("p", POLICIES),
        sp=one_of("sp", POLICIES),
        np=one_of("np", POLICIES),
        strict_dkim=one_of("adkim", ("r", "s")) == "s",
        strict_spf=one_of("aspf", ("r", "s")) == "s",
        psd=one_of("psd", ("y", "n", "u")) or "u",
        testing=one_of("t", ("y", "n")) == "y",
        rua=uris,
        rua_domains=tuple(dict.fromkeys(found[1].lower() for _, found in valid)),
        obsolete=tuple(tag for tag in OBSOLETE if tag in tags),
        unknown=tuple(tag for tag in tags if tag not in _KNOWN),
        odd=tuple(odd),
    )
