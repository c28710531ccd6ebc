"""Checks of single values: addresses of the web and of mail, time zones, listening addresses.

Each returns the value as it is kept, or raises ValueError that says what was expected. Crontab lines: ``crontab.py``.
"""

from __future__ import annotations

import re
from base64 import b64decode
from difflib import get_close_matches
from email.utils import parseaddr
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

HIGHEST_PORT = 65535
SHORTEST_KEY = 24  # bytes of what signs webhooks
_HOST = re.compile(r"[\w.-]{1,253}")
_MAILBOX = re.compile(r"[^\s@<>\",;:\x00-\x1f\x7f]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}")
# These depend on the machine, count leap seconds, or are no place at all.
_ODD_ZONES = ("posix/", "right/", "posixrules", "localtime", "Factory")


def not_yet(value: object, working: str) -> ValueError:
    """A value that would change what readers get, and does not work yet, must not pass silently."""
    return ValueError(f"{value!r} does not work yet in this version; use {working}")


def zone_name(value: str) -> str:
    """Check a time zone name of the IANA database."""
    try:
        ZoneInfo("" if value.startswith(_ODD_ZONES) else value)
    except (KeyError, ValueError, OSError) as error:
        places = [zone for zone in available_timezones() if not zone.startswith(_ODD_ZONES)]
        near = get_close_matches(value[:64], places, 1)
        raise ValueError(f'expected a time zone name such as "{near[0] if near else "Europe/London"}"') from error
    return value


def language_tag(value: str) -> str:
    """Check a language tag (BCP 47), roughly."""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", value):
        raise ValueError('expected language tags such as "en" or "pt-BR"')
    return value


def web_address(value: str) -> str:
    """Check an absolute http(s) address without a user name; the empty text stands for none."""
    if value:
        _split(value)
    return value


def signing_key(secret: str) -> bytes:
    """The key of a webhook's secret: base64 after ``whsec_`` (Standard Webhooks), else the text itself."""
    if not secret.startswith("whsec_"):
        key = secret.encode()
    else:
        try:
            key = b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError as error:
            raise ValueError('expected base64 after "whsec_"') from error
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"expected a secret of at least {SHORTEST_KEY} bytes (Standard Webhooks)")
    return key


def verifying_key(value: str) -> str:
    """Check the base64 of a public key (DER), as SendGrid shows it."""
    try:
        good = b64decode(value, validate=True)[:1] == b"0"  # a DER sequence
    except ValueError:
        good = False
    if not good:
        raise ValueError("expected the base64 of a public key, as the provider shows it")
    return value


def absolute_url(value: str) -> str:
    """Check an absolute http(s) address that others are built on; drop its trailing slash."""
    if value:
        parts = _split(value)
        if parts.query or parts.fragment:
            raise ValueError('expected an address without "?" and "#": others are built on it')
    return value.rstrip("/")


def _split(value: str) -> SplitResult:
    wrong = ValueError('expected an absolute address such as "https://courier.example"')
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not host or not (_HOST.fullmatch(host) or _is_ip(host)) or port == 0:
        raise wrong
    if parts.username is not None:
        raise ValueError("expected an address without a user name and password in it")
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("expected an address without spaces")
    return parts


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# As SQLAlchemy reads it (its make_url), which core may not import through us; the port a number.
_DATABASE_URL = re.compile(
    r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^/:?]+)?(?::[0-9]*)?(?:/[^?]*)?(?:\?.*)?", re.DOTALL
)
_LEDGER = 'expected a database address: "sqlite:///FILE" or "postgresql://user:password@host/name"'


def ledger_address(value: str) -> str:
    """Check the address of the database that the ledger lives in: a SQLite file or PostgreSQL.

    One spelling each: the lock of the sending process lies beside the file that the address names.
    """
    kind, _, rest = value.partition("://")
    if kind == "sqlite":
        if rest in {"", "/", "/:memory:"}:
            raise ValueError('expected "sqlite:///FILE": a database in memory would forget who got what')
        if not rest.startswith("/") or "?" in rest or rest.endswith("/") or rest.startswith("/file:"):
            raise ValueError('expected "sqlite:///FILE" (with four slashes for an absolute path), without options')
        return value
    if kind in {"postgresql", "postgresql+psycopg"} and _DATABASE_URL.fullmatch(value):
        return value
    if kind == "postgres":
        raise ValueError(f'{_LEDGER}; "postgres://" is not known, write "postgresql://"')
    raise ValueError(_LEDGER)


def source_address(value: str) -> str:
    """Check the form of a database address that articles are read from; its driver is looked for when it is read."""
    if not _DATABASE_URL.fullmatch(value):
        raise ValueError(
            'expected a database address such as "sqlite:///FILE" or "postgresql://user:password@host/name"'
        )
    return value


def ip_literal(value: str) -> str:
    """Check an IPv4 or IPv6 address."""
    if not _is_ip(value):
        raise ValueError(f'expected an IP address such as "192.0.2.10", not {value!r}')
    return str(ip_address(value))


def is_local(url: str) -> bool:
    """Whether only this machine can reach the address."""
    host = urlsplit(url).hostname or ""
    if _is_ip(host):
        return ip_address(host).is_loopback or ip_address(host).is_unspecified
    return host == "localhost" or host.endswith(".localhost")


def listen_address(value: str) -> str:
    """Check "HOST:PORT"; an IPv6 host stands in brackets, an empty host means 127.0.0.1, port 0 any free port."""
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    good_host = _is_ip(host[1:-1]) if bracketed else not host or bool(_HOST.fullmatch(host))
    if not colon or not good_host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > HIGHEST_PORT:
        raise ValueError('expected an address and a port such as "127.0.0.1:8000" or "[::1]:8000"')
    return value


def network(value: str) -> str:
    """Check a network in CIDR form, or a single address."""
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError('expected networks such as "10.0.0.0/8" or "fd00::/8"') from None


def sender(value: str) -> str:
    """Check a mailbox for a From or Reply-To header, with or without a name; the empty text stands for none."""
    if value and (re.search(r"[\x00-\x1f\x7f]", value) or not _MAILBOX.fullmatch(parseaddr(value)[1])):
        raise ValueError('expected a sender such as "The Harbour Courier <news@courier.example>"')
    return value


# A local part has at most 64 octets (RFC 5321 4.5.3.1.1), of which "+" and a token of core/links take up to 44.
LONGEST_TAGGED = 20


def tagged_mailbox(value: str) -> str:
    """Check a bare mail address that leaves room for a token behind its local part."""
    if len(bare_address(value).rpartition("@")[0]) > LONGEST_TAGGED:
        raise ValueError(f"expected at most {LONGEST_TAGGED} characters before the @: a token is added to them")
    return value


_DOMAIN = re.compile(r"(?!.*\.\.)[\w-][\w.-]{0,250}\.[\w-]{2,63}")


def domain_name(value: str) -> str:
    """Check the name of a domain that mail goes to."""
    if not _DOMAIN.fullmatch(value):
        raise ValueError('expected a domain such as "mail.example"')
    return value.lower()


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SELECTOR = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}(?:\.{_LABEL})*")


def selector(value: str) -> str:
    """Check the selector of a DKIM key (RFC 6376 3.1), which becomes a part of a name in the DNS."""
    if not _SELECTOR.fullmatch(value):
        raise ValueError(f'expected selectors of small letters, digits and hyphens such as "s2026", not {value[:64]!r}')
    return value


def bare_address(value: str) -> str:
    """Check a mail address without a name."""
    if not _MAILBOX.fullmatch(value):
        raise ValueError('expected a bare mail address such as "bounces@courier.example"')
    return value
