"""The plain forms of values in JSON, for the command line, the API and webhooks. Names are those of the contract."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from syndicate.model import Issue


def plain(value: Any) -> Any:
    """What JSON does not know, in its words: times as RFC 3339 in UTC with fractions, durations in seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form; give the document plain values")


def to_json(document: Any) -> bytes:
    """A document as bytes, without spaces."""
    return json.dumps(document, default=plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def issue_document(issue: Issue) -> dict[str, Any]:
    """An issue in JSON."""
    return {
        "id": issue.id,
        "digest": issue.digest,
        "period": issue.period,
        "state": issue.state.value,
        "reason": issue.reason,
        "subject": issue.subject,
        "composed_at": issue.composed_at,
        "started_at": issue.started_at,
        "finished_at": issue.finished_at,
        "editions": issue.editions,
        "recipients": issue.recipients,
        "counts": issue.counts.as_dict(),
        "balanced": issue.balanced,
        "deadline_at": issue.deadline_at,
        "deadline_action": issue.deadline_action,
    }
