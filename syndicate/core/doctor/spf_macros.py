"""Macros in the domains of SPF records (RFC 7208, 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import quote

from syndicate.core.doctor.names import Address

_LONGEST_NAME = 253
_MACRO = re.compile(r"%(?:\{([A-Za-z])(\d*)([rR]?)([.\-+,/_=]*)\}|([%_-]))")
_LETTERS = frozenset("slodiphv")
_IN_EXPLANATIONS = frozenset("crt")
_PLAIN = {"%": "%", "_": " ", "-": "%20"}


class MacroError(ValueError):
    """No macro of RFC 7208; the text says which."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """What macros stand for: who is sending, as far as it is known.

    ``address`` None: any; a macro that needs it cannot be expanded.
    """

    address: Address | None
    sender: str
    helo: str


def pieces(text: str) -> Iterator[re.Match[str]]:
    """The macros of a text, in order. Raises MacroError for a per cent sign that begins none."""
    at = 0
    while (at := text.find("%", at)) >= 0:
        found = _MACRO.match(text, at)
        if found is None:
            raise MacroError(f"{text[at : at + 4]!r} is no macro; a per cent sign itself is written %%")
        letter = found[1]
        if letter and letter.lower() not in _LETTERS:
            also = " (only explanations may use it)" if letter.lower() in _IN_EXPLANATIONS else ""
            raise MacroError(f"there is no macro {found[0]}{also}")
        if found[2] and not int(found[2]):
            raise MacroError(f"{found[0]} keeps no part of its value")
        yield found
        at = found.end()


def expand(text: str, domain: str, mailing: Mailing) -> str | None:
    """A domain with its macros filled in; None when it needs an address and none is given. Raises MacroError.

    ``%{p}`` becomes "unknown", as RFC 7208 7.3 allows and advises.
    """
    parts: list[str] = []
    at = 0
    for found in pieces(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[5]:
            parts.append(_PLAIN[found[5]])
            continue
        value = _value(found[1].lower(), domain, mailing)
        if value is None:
            return None
        parts.append(_transformed(value, found))
    parts.append(text[at:])
    name = "".join(parts).rstrip(".")
    while len(name) > _LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _value(letter: str, domain: str, mailing: Mailing) -> str | None:
    local, _, sender_domain = mailing.sender.rpartition("@")
    if letter == "i":
        return None if mailing.address is None else _dotted(mailing.address)
    if letter == "v":
        return None if mailing.address is None else "in-addr" if mailing.address.version == 4 else "ip6"  # noqa: PLR2004
    return {
        "s": mailing.sender,
        "l": local or "postmaster",
        "o": sender_domain,
        "d": domain,
        "p": "unknown",
        "h": mailing.helo,
    }[letter]


def _dotted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(address.exploded.replace(":", ""))


def _transformed(value: str, found: re.Match[str]) -> str:
    parts = re.split(f"[{re.escape(found[4] or '.')}]", value)
    if found[3]:
        parts.reverse()
    if found[2]:
        parts = parts[-int(found[2]) :]
    text = ".".join(parts)
    return quote(text, safe="") if found[1].isupper() else text
