"""Only what is new to a client, for big windows: instance manipulation ``feed`` (RFC 3229, "A-IM: feed").

A document is cut by entry from its own bytes, so what remains stands exactly as in the whole. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

from syndicate.web.feed_server.conditions import ANY, Headers, Tag, content_of, entity_tags
from syndicate.web.feed_server.held import Held, Version

DELTA_FROM: Final = 65_536  # bytes of the whole: of less there is too little to save
# Mark-up within texts is escaped (there is no CDATA in our documents), so these stand for elements only.
_ENTRIES: Final = {
    "application/atom+xml": re.compile(rb"[ \t\r\n]*<entry[ >].*?</entry>", re.DOTALL),
    "application/rss+xml": re.compile(rb"[ \t\r\n]*<item[ >].*?</item>", re.DOTALL),
}
_JSON: Final = "application/feed+json"


def wants_delta(headers: Headers) -> bool:
    """Whether a client understands a part of a feed (RFC 3229, section 10.5.3), and did not weigh that zero."""
    for member in headers.get(b"a-im", b"").decode("latin-1").lower().split(","):
        name, _, weight = member.partition(";")
        if name.strip() == "feed":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False


def known_version(held: Held, headers: Headers) -> Version | None:
    """The newest remembered version that a client says it has."""
    tags = entity_tags(headers.get(b"if-none-match", b""))
    if tags == ANY:
        return None
    named = {content_of(tag).decode("latin-1") for tag in tags if isinstance(tag, Tag)}
    return next((version for version in held.history if version.digest in named), None)


def fingerprints(content: bytes, media_type: str) -> frozenset[int]:
    """What tells the entries of a document apart; empty for a type that cannot be cut."""
    return frozenset(map(_fingerprint, _entries(content, media_type)))


def cut(content: bytes, media_type: str, known: frozenset[int]) -> bytes | None:
    """The document with only those entries that are new or changed since; None where it cannot be cut."""
    kind = media_type.partition(";")[0]
    if kind == _JSON:
        document = _json(content)
        if document is None:
            return None
        document["items"] = [item for item in document["items"] if _fingerprint(_item(item)) not in known]
        return json.dumps(document, ensure_ascii=False).encode()
    pattern = _ENTRIES.get(kind)
    if pattern is None:
        return None
    return pattern.sub(lambda found: b"" if _fingerprint(found[0]) in known else found[0], content)


def _entries(content: bytes, media_type: str) -> Iterable[bytes]:
    kind = media_type.partition(";")[0]
    if kind == _JSON:
        document = _json(content)
        return [] if document is None else map(_item, document["items"])
    pattern = _ENTRIES.get(kind)
    return [] if pattern is None else (found[0] for found in pattern.finditer(content))


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("items"), list) else None


def _item(item: Any) -> bytes:
    return json.dumps(item, ensure_ascii=False, sort_keys=True).encode()


def _fingerprint(entry: bytes) -> int:
    return int.from_bytes(blake2b(entry.strip(), digest_size=8).digest())
