"""E-mail addresses and people's names: what is taken, what is compared, what suppressions are kept under.

Only single bare addresses; lists, groups and display names belong to mail headers (``core/message.py``).
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import idna

from syndicate.errors import AddressError

LOCAL_LIMIT = 64  # octets, RFC 5321 4.5.3.1.1
DOMAIN_LIMIT = 253  # characters of the A-label form; 255 octets on the wire, RFC 1035 2.3.4
ADDRESS_LIMIT = 254  # octets: a path of 256 less its angle brackets, RFC 5321 4.5.3.1.3 and errata 1690
NAME_LIMIT = 100

# Most addresses of a list are of this kind; everything else goes the long way round (0.7 us against 26 us with idna).
_PLAIN_DOMAIN = re.compile(r"(?:(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9]{2,63}")
_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_NEEDS_QUOTES = frozenset('"(),:;<>@[\\]')
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # names in Persian and Indic scripts are written with them
_LINK = re.compile(r"http|www\.|@|://|\.[a-z]{2,}/")


@dataclass(frozen=True, slots=True)
class Address:
    """One address. ``email`` is as typed; ``key`` is compared: local part in lower case, domain as A-label.

    ``domain`` is the A-label form alone. "+tags" and dots are kept: they are somebody else's to interpret.
    """

    email: str
    key: str
    domain: str

    @property
    def wire(self) -> str:
        """The form for envelopes and headers: the local part as typed, the domain as A-label (RFC 5891)."""
        return f"{self.email.rpartition('@')[0]}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part is not ASCII, so that every server on the way must know RFC 6531."""
        return not self.wire.isascii()

    @property
    def masked(self) -> str:
        """What a page may show of it: its first character and its domain."""
        return mask(self.email)


def parse_address(text: str) -> Address:
    """Read one bare address (RFC 5321 4.1.2 without quoted local parts and address literals; RFC 6531).

    Raises AddressError that says in plain words what is wrong; the message never repeats control characters.
    """
    typed = unicodedata.normalize("NFC", text.strip(" \t")) if not text.isascii() else text.strip(" \t")
    if not typed:
        raise AddressError("the address is empty")
    local, at, domain = typed.rpartition("@")
    _refuse_other_forms(typed, local, at, domain)
    _check_local(local)
    a_label = _a_label(domain)
    key = f"{_lower(local)}@{a_label}"
    if len(local.encode()) + 1 + len(a_label) > ADDRESS_LIMIT:
        raise AddressError(f"the address is longer than {ADDRESS_LIMIT} characters, more than mail servers take")
    return Address(email=typed, key=key, domain=a_label)


def _refuse_other_forms(typed: str, local: str, at: str, domain: str) -> None:
    if not (typed.isascii() and typed.isprintable()):
        _refuse_invisible(typed)
    if "<" in typed or ">" in typed:
        raise AddressError(f"{shown(typed)} has a name or angle brackets around it; only the bare address is expected")
    if " " in typed:
        raise AddressError(f"{shown(typed)} holds a space")
    if not at:
        raise AddressError(f"{shown(typed)} has no @")
    if not local:
        raise AddressError(f"{shown(typed)} has nothing before the @")
    if not domain:
        raise AddressError(f"{shown(typed)} has no domain after the @")


def _refuse_invisible(typed: str) -> None:
    for character in typed:
        if character in "\r\n":
            raise AddressError("the address holds a line break")
        category = unicodedata.category(character)
        if category in _FORBIDDEN_CATEGORIES and character != " ":
            kind = "a space" if category[0] == "Z" else "an invisible or control character"
            raise AddressError(f"the address holds {kind} (U+{ord(character):04X})")


def _check_local(local: str) -> None:
    if len(local.encode()) > LOCAL_LIMIT:
        raise AddressError(
            f"the part before the @ is longer than {LOCAL_LIMIT} characters, more than mail servers take"
        )
    if "@" in local:
        raise AddressError("the address has more than one @")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressError(f"{shown(local)}@…: a dot may not stand first, last or beside another dot before the @")
    if _ATEXT.fullmatch(local):
        return
    for character in local:
        if character in _NEEDS_QUOTES:
            raise AddressError(f"{shown(local)}@…: {character} may not stand before the @")


def _a_label(domain: str) -> str:
    lowered = domain.lower()
    if len(lowered) <= DOMAIN_LIMIT and _PLAIN_DOMAIN.fullmatch(lowered):
        return lowered
    if domain.startswith("["):
        raise AddressError(f"{shown(domain)}: a domain name is expected after the @, not a server's number")
    if domain.endswith("."):
        raise AddressError(f"{shown(domain)}: the domain ends in a dot")
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError(f"{shown(domain)} is no domain name ({_reason(error)})") from error
    if len(encoded) > DOMAIN_LIMIT:
        raise AddressError(f"the domain is longer than {DOMAIN_LIMIT} characters")
    labels = encoded.split(".")
    if len(labels) == 1:
        raise AddressError(f"{shown(domain)}: the domain has no dot; a full name such as example.org is expected")
    if labels[-1].isdigit():
        raise AddressError(f"{shown(domain)}: a domain name is expected after the @, not a number")
    return encoded


def _reason(error: Exception) -> str:
    return shown(str(error).rstrip(".") or type(error).__name__, limit=120)


def _lower(local: str) -> str:
    # Lower-casing may take a text out of NFC and back again; twice settles it (found by the property test).
    return (
        local.lower() if local.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
    )


def hash_address(key: str, hash_key: bytes) -> str:
    """What a suppression is kept under: HMAC-SHA256 of the compared form, 64 hex digits.

    Keyed, because the hash of an address alone is found by trying all addresses of a leaked list.
    """
    return hmac.digest(hash_key, key.encode(), "sha256").hex()


def parent_domains(domain: str) -> Iterator[str]:
    """A domain and those above it, without the last label: ``a.b.example`` gives itself and ``b.example``."""
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def mask(email: str) -> str:
    """An address as a page may show it: ``a***@courier.example``. A forwarded mail's link must not tell whose it is."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


def clean_name(text: str) -> str:
    """A person's name, fit for a header and a mail: one line, no control characters, at most 100 characters.

    A name that holds a link or an address is emptied: sign-up forms are used to mail spam through the confirmation.
    """
    plain = text.isascii() and text.isprintable()
    kept = text if plain else "".join(map(_kept, unicodedata.normalize("NFC", text)))
    name = " ".join(kept.split())
    if not name:
        return ""
    # Compared without joiners and in compatibility form: full-width letters and hidden joints make links, too.
    bare = name if name.isascii() else unicodedata.normalize("NFKC", name.translate(dict.fromkeys(map(ord, _JOINERS))))
    if _LINK.search(bare.casefold()):
        return ""
    return _cut(name)


def name_key(name: str) -> str:
    """What a name is found by: without regard to case."""
    return name.casefold()


def _kept(character: str) -> str:
    if character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cc" or category[0] == "Z":
        return " "
    return "" if category in _FORBIDDEN_CATEGORIES else character


def _cut(name: str) -> str:
    if len(name) <= NAME_LIMIT:
        return name
    end = NAME_LIMIT
    # Do not cut a letter from its marks.
    while end > 0 and (unicodedata.combining(name[end]) or name[end] in _JOINERS):
        end -= 1
    return name[:end].rstrip()


def shown(text: str, limit: int = 80) -> str:
    """A text from outside for a message: printable, short."""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
