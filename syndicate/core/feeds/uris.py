"""What counts as an address or an id in a feed, and how an address is written there (RFC 3986)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import idna

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")  # section 3: a scheme, then visible ASCII
_NO_URI = re.compile(r'[<>"\\^`{|}]|%(?![0-9A-Fa-f]{2})')  # never part of one (section 2)
_PLAIN_ADDRESS = re.compile(r"https?://[a-z0-9.-]+(?:/[A-Za-z0-9._~/?#=&+,:;@!$()*-]*)?")  # most addresses
_HOST = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+")  # a name (3.2.2, without its rarities) or an IPv6 address
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SAFE = "%/:?#@!$&'()*+,;=-._~"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_uri(text: str) -> bool:
    """Whether a text is an absolute URI (section 4.3): ASCII, with a scheme, without what must be quoted."""
    return bool(_URI.fullmatch(text)) and not _NO_URI.search(text)


def is_web_address(text: str) -> bool:
    """Whether a text is an absolute http or https address with a host."""
    if _PLAIN_ADDRESS.fullmatch(text):
        return True
    if not is_uri(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(parts.hostname and _HOST.fullmatch(parts.hostname))


def web_address(address: str | None) -> str | None:
    """An absolute http(s) address as a URI: spaces and other letters quoted. None for anything else."""
    if not address or _CONTROL.search(address):
        return None
    if _PLAIN_ADDRESS.fullmatch(address):
        return address
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host:
        return None
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return None
        parts = parts._replace(netloc=f"{host}:{port}" if port else host)
    # Brackets stand around an IPv6 address and nowhere else (section 3.2.2).
    rest = _STRAY_PERCENT.sub("%25", quote(parts._replace(scheme="", netloc="").geturl(), safe=_SAFE))
    found = f"{parts.scheme}://{parts.netloc}{rest}"
    return found if is_web_address(found) else None
