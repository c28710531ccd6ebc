"""Conditional requests (RFC 9110 13): entity tags, dates, and what they make of an answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

Headers = Mapping[bytes, bytes]

_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
# Some clients store a tag without its quotes; a hash in it cannot be mistaken for another.
_BARE = re.compile(rb"[A-Za-z0-9_.-]+")
_GAP = re.compile(rb"[ \t,]*")
_AFTER = {b"", b" ", b"\t", b","}
_LONGEST = 8192  # bytes of a list of tags


class Verdict(Enum):
    """What the conditions of a request make of its answer."""

    SEND = 200
    UNCHANGED = 304
    FAILED = 412


class Tag(NamedTuple):
    """An entity tag: what stands between its quotes, and whether it is weak."""

    opaque: bytes
    weak: bool


ANY: Final = "*"


@lru_cache(maxsize=1024)
def entity_tags(value: bytes) -> tuple[Tag, ...] | str:
    """The tags of If-Match or If-None-Match, or ``ANY``. What is no tag is passed over; quoted commas are text."""
    value = value.strip()
    if value == b"*":
        return ANY
    if len(value) > _LONGEST:
        return ()
    tags = []
    at = 0
    while (at := _GAP.match(value, at).end()) < len(value):  # type: ignore[union-attr]
        found = _TAG.match(value, at) or _BARE.match(value, at)
        if found is not None and value[found.end() : found.end() + 1] in _AFTER:
            weak, opaque = (found[1], found[2]) if found.re is _TAG else (None, found[0])
            tags.append(Tag(opaque, weak is not None))
            at = found.end()
        else:  # a damaged member: go on after its comma
            comma = value.find(b",", at)
            at = len(value) if comma < 0 else comma
    return tuple(tags)


@lru_cache(maxsize=1024)
def http_date(value: bytes) -> int | None:
    """Seconds since 1970 of a date in any of the three forms (RFC 9110 5.6.7); None for what is none."""
    try:
        parsed = parsedate_tz(value.decode("ascii"))
        if parsed is None:
            return None
        year, month, day, hour, minute, second = parsed[:6]
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)  # 60 is a leap second
        return int(moment.timestamp()) - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError):
        return None


def content_of(tag: Tag) -> bytes:
    """The hash of the content that a tag of ours is of: what stands before the name of its encoding, if it has one."""
    return tag.opaque.partition(b"-")[0]


def judge(headers: Headers, ours: Collection[bytes], content: bytes, modified: int) -> Verdict:
    """Evaluate the conditions of a GET or HEAD in their order (RFC 9110 13.2.2).

    ``ours`` are the opaque tags of what can be sent, one for each encoding, ``content`` is the hash that all of them
    begin with, ``modified`` is in seconds since 1970. If-Match compares tags byte for byte. If-None-Match compares
    weakly, for which the same content is enough: so a copy in another encoding, or in one that has been compressed
    better since, is as good as the one that would be sent (RFC 9110 8.8.3.2).
    """
    wanted = headers.get(b"if-match")
    if wanted is not None:
        tags = entity_tags(wanted)
        if tags != ANY and not any(isinstance(tag, Tag) and not tag.weak and tag.opaque in ours for tag in tags):
            return Verdict.FAILED
    elif (until := headers.get(b"if-unmodified-since")) is not None:
        limit = http_date(until)
        if limit is not None and modified > limit:
            return Verdict.FAILED
    known = headers.get(b"if-none-match")
    if known is not None:
        tags = entity_tags(known)
        same = tags == ANY or any(isinstance(tag, Tag) and content_of(tag) == content for tag in tags)
        return Verdict.UNCHANGED if same else Verdict.SEND
    since = headers.get(b"if-modified-since")
    if since is not None:
        moment = http_date(since)
        if moment is not None and modified <= moment:
            return Verdict.UNCHANGED
    return Verdict.SEND
