"""Tag lists, ``v=…; p=…``: how DKIM and DMARC records are written (RFC 6376 3.2)."""

from __future__ import annotations

import re

_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", re.DOTALL)


class TagError(ValueError):
    """The text is no tag list; it says at which tag."""


def read_tags(text: str) -> dict[str, str]:
    """The tags in their order. Raises TagError for what is no tag, and for one that stands there twice."""
    tags: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        found = _TAG.fullmatch(part)
        if found is None:
            raise TagError(f"{part.strip()[:40]!r} is no tag such as p=…")
        if found[1] in tags:
            raise TagError(f"the tag {found[1]}= stands there twice")
        tags[found[1]] = found[2]
    return tags
