"""Readers of feeds: what hosted readers announce in User-Agent, and a sketch that counts others without naming them.

The sketch is HyperLogLog (Flajolet et al. 2007) with 1,024 registers: 3 % off on average, exact for a few.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Final

BITS: Final = 10
SIZE: Final = 1 << BITS  # registers, a byte each
#: What somebody may claim: a header is typed by anybody.
MOST_ANNOUNCED: Final = 100_000_000
_ALPHA: Final = 0.7213 / (1 + 1.079 / SIZE)
_ANNOUNCED: Final = re.compile(r"(?<![\w.])(\d{1,9})\s+(?:subscribers?|readers?|followers?|users?)\b", re.IGNORECASE)
_FEED_ID: Final = re.compile(r"feed-?id[:=]\s*([\w-]{1,40})", re.IGNORECASE)
_COMPATIBLE: Final = re.compile(r"compatible;\s*([^;/)]{1,60})", re.IGNORECASE)
_NAME: Final = re.compile(r"[^/;(\d]{1,60}")


@dataclass(frozen=True, slots=True)
class Announced:
    """A hosted reader and for how many it says it fetches. ``reader`` tells its fetches of several feeds apart."""

    reader: str
    subscribers: int


def announced(user_agent: str) -> Announced | None:
    """What a User-Agent announces ("Feedbin feed-id:812 - 41 subscribers"); None when it announces nothing."""
    found = _ANNOUNCED.search(user_agent)
    if found is None:
        return None
    named = _COMPATIBLE.search(user_agent)
    plain = _NAME.match(user_agent)
    name = (named[1] if named else plain[0] if plain else "").strip(" -+") or "unknown"
    name = " ".join(re.sub(r"\bfeed-?id\b.*", "", name, flags=re.IGNORECASE).split())
    number = _FEED_ID.search(user_agent)
    reader = f"{name} {number[1]}" if number else name
    return Announced(reader.strip()[:100] or "unknown", min(int(found[1]), MOST_ANNOUNCED))


def add_reader(sketch: bytearray, salt: bytes, client: str, user_agent: str) -> None:
    """Count a reader, known by address and program: twice is once. With the salt gone, nothing leads back to it."""
    digest = hashlib.blake2b(f"{client}\0{user_agent}".encode("utf-8", "replace"), key=salt, digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    place, rest = number & (SIZE - 1), number >> BITS
    rank = 64 - BITS - rest.bit_length() + 1
    sketch[place] = max(sketch[place], rank)


def merged(one: bytes, other: bytes) -> bytes:
    """The sketch of the readers of both."""
    return bytes(map(max, one, other)) if one else bytes(other)


def estimate(sketch: bytes) -> int:
    """How many readers were counted."""
    if not sketch:
        return 0
    raw = _ALPHA * SIZE * SIZE / sum(2.0**-rank for rank in sketch)
    empty = sketch.count(0)
    return round(SIZE * math.log(SIZE / empty) if empty and raw <= 2.5 * SIZE else raw)
