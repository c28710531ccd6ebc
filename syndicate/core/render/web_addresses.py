"""Addresses that may stand in a mail: http, https and mailto only, written in plain ASCII (RFC 3986, RFC 3987 3.1)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

import idna

_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = _PATH + "?[]"


def safe_url(address: str | None) -> str:
    """The address with international characters encoded, or an empty text when it is none that a mail may link to."""
    if not address:
        return ""
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port else ""
        scheme = parts.scheme.lower()
        if scheme == "mailto" and "@" in parts.path:
            return f"mailto:{quote(parts.path, safe=_PATH)}" + (
                f"?{quote(parts.query, safe=_QUERY)}" if parts.query else ""
            )
        if scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            return ""
        host = parts.hostname
        if ":" in host:
            host = f"[{host}]"
        elif not host.isascii():
            host = idna.encode(host, uts46=True).decode()
        else:
            host = quote(host, safe="-._~")
    except ValueError:  # also idna.IDNAError and a port that is no number
        return ""
    return urlunsplit(
        (
            scheme,
            host + port,
            quote(parts.path, safe=_PATH),
            quote(parts.query, safe=_QUERY),
            quote(parts.fragment, safe=_QUERY),
        )
    )


def mail_image(address: str | None) -> str:
    """The address of an image that mail clients show, or an empty text: SVG they do not, data: some block."""
    url = safe_url(address)
    return "" if not url.startswith("http") or urlsplit(url).path.lower().endswith((".svg", ".svgz")) else url
