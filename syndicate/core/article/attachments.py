"""Reads the files that belong to an article: tables or addresses, as front matter and foreign columns hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from syndicate.core.article.fields import Fields, first, read_line, read_number, read_text, shown
from syndicate.core.article.sanitise import absolute
from syndicate.errors import ArticleError
from syndicate.model import Attachment

MAX_ATTACHMENTS = 100
_NAME = "attachments"
_MAX_LENGTH = 2**53  # JSON's readers count in doubles (RFC 8259, section 6)


def read_attachments(value: Any, base: str | None) -> tuple[Attachment, ...]:
    """Read an address, a table with ``url``, ``type`` and ``length`` (bytes), a list of these, or the same as JSON.

    A file that cannot be reached is left out: the text is worth more. Raises ArticleError for what is no attachment.
    """
    if value is None or value == "":
        return ()
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ArticleError(f"{_NAME}: this is no JSON: {shown(value)}") from None
    given = list(value) if isinstance(value, list | tuple) else [value]
    if len(given) > MAX_ATTACHMENTS:
        raise ArticleError(f"{_NAME}: {len(given)} files, at most {MAX_ATTACHMENTS} are taken")
    found: dict[str, Attachment] = {}
    for entry in given:
        fields: Fields = entry if isinstance(entry, Mapping) else {"url": entry}
        url = absolute(read_text(first(fields, "url", "href"), _NAME).strip(), base)
        if url:
            type_ = read_line(first(fields, "type", "mime_type"), f"{_NAME}: type").casefold()
            length = _length(first(fields, "length", "size", "size_in_bytes"))
            found.setdefault(url, Attachment(url=url, type=type_, length=length))
    return tuple(found.values())


def _length(value: Any) -> int | None:
    number = read_number(value, f"{_NAME}: length")
    if number is None:
        return None
    if number != int(number) or not 0 <= number <= _MAX_LENGTH:
        raise ArticleError(f"{_NAME}: length: expected a size in bytes, not {shown(value)}")
    return int(number) or None
