"""Reads an SPF record into its terms (RFC 7208, 12). What they mean is ``spf.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError

from syndicate.core.doctor.spf_macros import MacroError, pieces

VERSION = "v=spf1"
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_MECHANISM = re.compile(r"([+\-?~]?)([A-Za-z0-9._-]+)((?:[:/].*)?)")
_PREFIXES = re.compile(r"(.*?)(?:/(\d+))?(?://(\d+))?")
_TOP = re.compile(r"(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?")
_V4, _V6 = 32, 128
_NEED_DOMAIN = frozenset({"include", "exists"})
_NAMES = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})


class SpfSyntaxError(ValueError):
    """The record is not of RFC 7208's grammar: receivers treat it as a permanent error. The text names the term."""


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism: ``qualifier`` is one of ``+ - ~ ?``; ``domain`` with macros, None for the record's own.

    ``v4`` and ``v6`` are the prefix lengths of ``a`` and ``mx``; ``network`` is what ``ip4`` and ``ip6`` name.
    """

    text: str
    qualifier: str
    name: str
    domain: str | None = None
    v4: int = _V4
    v6: int = _V6
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The mechanisms in order, and the domain of ``redirect`` if there is one."""

    terms: tuple[Term, ...]
    redirect: str | None = None


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record (RFC 7208 4.5)."""
    return text[: len(VERSION)].lower() == VERSION and text[len(VERSION) :][:1] in {"", " "}


def read_spf(text: str) -> SpfRecord:
    """Read a record that begins with ``v=spf1``. Raises SpfSyntaxError."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    if not text.isascii():
        raise SpfSyntaxError("it holds characters that are not ASCII")
    for word in text[len(VERSION) :].split(" "):
        if not word:
            continue
        modifier = _MODIFIER.fullmatch(word)
        if modifier is None:
            terms.append(_term(word))
            continue
        name = modifier[1].lower()
        if name in modifiers and name in {"redirect", "exp"}:
            raise SpfSyntaxError(f"{name}= stands there twice")
        if name in {"redirect", "exp"}:
            _check_domain(word, modifier[2])
        else:
            _check_macros(word, modifier[2])
        modifiers[name] = modifier[2]
    return SpfRecord(tuple(terms), modifiers.get("redirect"))


def _term(word: str) -> Term:
    found = _MECHANISM.fullmatch(word)
    name = found[2].lower() if found else ""
    if found is None or name not in _NAMES:
        raise SpfSyntaxError(f"{word!r} is no mechanism")
    qualifier, rest = found[1] or "+", found[3]
    if name == "all":
        if rest:
            raise SpfSyntaxError(f"{word!r}: all stands alone")
        return Term(word, qualifier, name)
    if name in {"ip4", "ip6"}:
        return Term(word, qualifier, name, network=_network(word, name, rest))
    if name in {"a", "mx"}:
        return _addresses(word, qualifier, name, rest)
    if not rest and name not in _NEED_DOMAIN:
        return Term(word, qualifier, name)
    if not rest.startswith(":"):
        raise SpfSyntaxError(f"{word!r}: expected {name}: and a domain")
    _check_domain(word, rest[1:])
    return Term(word, qualifier, name, rest[1:])


def _addresses(word: str, qualifier: str, name: str, rest: str) -> Term:
    found = _PREFIXES.fullmatch(rest)
    assert found is not None  # noqa: S101 - it matches everything
    domain, v4, v6 = found.groups()
    lengths = int(v4 or _V4), int(v6 or _V6)
    if lengths[0] > _V4 or lengths[1] > _V6:
        raise SpfSyntaxError(f"{word!r}: the length of a prefix is at most /{_V4} or //{_V6}")
    if not domain:
        return Term(word, qualifier, name, None, *lengths)
    if not domain.startswith(":"):
        raise SpfSyntaxError(f"{word!r}: expected {name}: and a domain")
    _check_domain(word, domain[1:])
    return Term(word, qualifier, name, domain[1:], *lengths)


def _network(word: str, name: str, rest: str) -> IPv4Network | IPv6Network:
    address, slash, length = rest[1:].partition("/")
    # Only a length may follow: Python's own reader would also take a mask.
    prefix = length if length.isdecimal() else "none"
    try:
        kind = IPv4Network if name == "ip4" else IPv6Network
        return kind(f"{address}/{prefix}" if slash else address, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise SpfSyntaxError(f"{word!r}: expected {name}: and an address or network") from error


def _check_macros(word: str, text: str) -> None:
    try:
        list(pieces(text))
    except MacroError as error:
        raise SpfSyntaxError(f"{word!r}: {error}") from error


def _check_domain(word: str, text: str) -> None:
    """A domain with macros: it ends in a macro, or in a dot and a name (RFC 7208 7.1)."""
    _check_macros(word, text)
    if text.endswith("}"):
        return
    head, dot, top = text.rstrip(".").rpartition(".")
    if not (dot and head and _TOP.fullmatch(top)):
        raise SpfSyntaxError(f"{word!r}: {text!r} is no domain")
