"""When a feed is asked again, and what is remembered of it between polls. Pure: answers go in, the memory comes out.

The rules are RFC 9110's (10.2.3 Retry-After), RFC 9111's (5.2.2.1 max-age), RSS's ``ttl`` and a back-off of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

# However seldom a feed wants to be asked, or however long it has failed: once a day somebody may have mended it.
LONGEST_PAUSE = timedelta(days=1)
LONGEST_RETRY_AFTER = timedelta(days=7)
# A poll comes a moment earlier or later than planned; without this every second one would be left out.
_EARLY = timedelta(minutes=1)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_MAX_VALIDATOR = 1000
_FIRST_ERROR = 400
GONE = 410  # RFC 9110, 15.5.11: on purpose and for good


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMemory:
    """What is kept of one feed. ``moved_to``: where permanent redirects lead; ``digest``: of the last good document.

    ``next_at`` is our own plan, ``not_before`` what its server asked for. ``gone``: it is asked no more. ``hubs`` tell
    of changes of ``topic``, as the feed says.
    """

    etag: str | None = None
    modified: str | None = None
    digest: str | None = None
    moved_to: str | None = None
    ttl: int = 0  # seconds
    seen: int = 0
    next_at: datetime | None = None
    not_before: datetime | None = None
    failures: int = 0
    error: str | None = None
    gone: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)
    hubs: tuple[str, ...] = ()
    topic: str | None = None

    @classmethod
    def of(cls, kept: Any) -> FeedMemory:
        """Read what ``kept`` wrote; what is not understood is forgotten."""
        if not isinstance(kept, dict):
            return cls()
        known = {name: value for name, value in kept.items() if name in {entry.name for entry in fields(cls)}}
        for name in ("next_at", "not_before"):
            known[name] = datetime.fromisoformat(known[name]) if known.get(name) else None
        known["hubs"] = tuple(known.get("hubs", ()))
        return cls(**known)

    def kept(self) -> dict[str, Any]:
        """What JSON can keep; defaults are left out."""
        found: dict[str, Any] = {name: value for name, value in asdict(self).items() if value}
        for name in ("next_at", "not_before"):
            if name in found:
                found[name] = found[name].isoformat()
        return found

    def is_due(self, now: datetime, *, insist: bool) -> bool:
        """Whether it may be asked. ``insist``: somebody wants it now; what its server asked for holds all the same."""
        if self.not_before is not None and now < self.not_before:
            return False
        return insist or not (self.gone or (self.next_at is not None and now < self.next_at))

    def conditions(self) -> dict[str, str]:
        """The headers of a conditional request (RFC 9110, 13.1)."""
        found = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in found.items() if value}

    def without_document(self) -> FeedMemory:
        """The same, to be read anew even if it did not change."""
        return replace(self, etag=None, modified=None, digest=None)


def answered(
    memory: FeedMemory, headers: Mapping[str, str], *, interval: timedelta, moved_to: str | None, now: datetime
) -> FeedMemory:
    """Remember an answer that could be used (200 or 304), and when to ask again: never sooner than ``interval``."""
    wished = max(timedelta(seconds=memory.ttl), max_age(headers.get("cache-control", "")))
    pause = max(interval, min(wished, LONGEST_PAUSE))
    return replace(
        memory,
        moved_to=moved_to,
        next_at=now + pause - min(_EARLY, pause / 10),
        not_before=None,
        failures=0,
        error=None,
        gone=False,
    )


def validated(memory: FeedMemory, headers: Mapping[str, str], *, digest: str) -> FeedMemory:
    """Remember what stands for the document that was just read."""
    return replace(
        memory,
        etag=_validator(headers.get("etag", "")),
        modified=_validator(headers.get("last-modified", "")),
        digest=digest,
    )


def failed(
    memory: FeedMemory,
    error: str,
    *,
    interval: timedelta,
    now: datetime,
    status: int = 0,
    headers: Mapping[str, str] | None = None,
) -> FeedMemory:
    """Remember a failure: the pause doubles each time, up to a day; the document that was last good stays.

    Where it moved to is forgotten: its own address may know better by now, and is asked before anything is for good.
    """
    failures = memory.failures + 1
    pause = min(interval * 2 ** min(failures - 1, 20), max(LONGEST_PAUSE, interval))
    wait = retry_after((headers or {}).get("retry-after", ""), now) if status >= _FIRST_ERROR else None
    return replace(
        memory,
        moved_to=None,
        failures=failures,
        error=error,
        gone=status == GONE and memory.moved_to is None,
        next_at=now + pause - min(_EARLY, pause / 10),
        not_before=now + wait if wait else None,
    )


def max_age(cache_control: str) -> timedelta:
    """How long an answer is fresh; nothing where it must not be kept."""
    found = _MAX_AGE.search(cache_control)
    if found is None or re.search(r"no-(?:cache|store)", cache_control, re.IGNORECASE):
        return timedelta()
    return timedelta(seconds=int(found[1]))


def retry_after(value: str, now: datetime) -> timedelta | None:
    """How long a server asks to be left alone: a number of seconds or a date; at most a week."""
    written = value.strip()
    if re.fullmatch(r"[0-9]{1,12}", written):
        wait = timedelta(seconds=min(int(written), LONGEST_RETRY_AFTER.total_seconds()))
    else:
        try:
            until = parsedate_to_datetime(written)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(wait, LONGEST_RETRY_AFTER) if wait > timedelta() else None


def _validator(value: str) -> str | None:
    return value if value and len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable() else None
