"""Addresses as they stand in reports and letters: found, unwrapped, never trusted.

Taking an address from a person: ``core.addresses``.
"""

from __future__ import annotations

import re
from typing import Final

_LOCAL: Final = r"[^\s<>()\[\]\\,;:@\"'|{}]{1,64}"
_DOMAIN: Final = r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,10}[^\W\d_][\w-]{0,61}[^\W_]"
ADDRESS: Final = re.compile(rf"(?<![\w.+-])((?:\"[^\"\s]{{1,60}}\"|{_LOCAL})@{_DOMAIN})(?![\w@])")
_TYPED = re.compile(r"\s*(?:rfc-?822|utf-8|smtp|unknown|x-local)\s*;", re.IGNORECASE)
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def first_address(text: str) -> str | None:
    """The first mail address in a text, as it is written; None without one."""
    match = ADDRESS.search(text[:2000]) if "@" in text else None
    return tidy_address(match[1]) if match else None


def addresses_in(text: str, limit: int = 200) -> list[str]:
    """The mail addresses in a text, in order, each once."""
    found: dict[str, str] = {}
    if "@" in text:
        for match in ADDRESS.finditer(text):
            address = tidy_address(match[1])
            found.setdefault(address.lower(), address)
            if len(found) == limit:
                break
    return list(found.values())


def reported_address(value: str) -> str | None:
    """The address of a field such as Final-Recipient (RFC 3464 2.3.2, RFC 6533 3), freed of its type and escapes."""
    plain = _TYPED.sub("", value, count=1)
    if "\\x{" in plain:
        plain = _ESCAPED.sub(lambda match: _character(match[1]), plain)
    return first_address(plain)


def tidy_address(text: str) -> str:
    """Without quotes that nothing needs and without a sentence's full stop."""
    return text.strip("'\".") if not text.startswith('"') else text.rstrip(".")


def _character(number: str) -> str:
    value = int(number, 16)
    return chr(value) if 0x20 < value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004 - Unicode's bounds
