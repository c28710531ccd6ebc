"""The messages of webhooks: their bytes, their signature (Standard Webhooks 1.0.0), and when they are tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from syndicate.core.documents import plain, to_json

# The schedule that Standard Webhooks proposes, up to the day on which somebody surely looks: 30 hours in all.
DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 43_200))
LONGEST_WISH: Final = timedelta(days=1)
TEST: Final = "test"


def message_id(number: int) -> str:
    """The ``webhook-id``: the same for every attempt, so that a receiver can tell a second copy."""
    return f"msg_{number}"


def message_body(event: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The JSON that is sent and signed."""
    return to_json({"type": event, "timestamp": plain(at), "data": dict(data)})


def signed_headers(key: bytes, number: int, body: bytes, now: datetime) -> dict[str, str]:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` (v1, HMAC-SHA256)."""
    name, stamp = message_id(number), str(int(now.timestamp()))
    signature = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def retry_after(attempts: int, *, jitter: float, asked: timedelta | None = None) -> timedelta | None:
    """How long to wait after so many attempts; None: it is given up.

    ``jitter`` from 0 to 1 adds up to a tenth; ``asked`` is the receiver's Retry-After, heeded up to a day.
    """
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 + jitter / 10)
    return max(delay, min(asked, LONGEST_WISH)) if asked is not None else delay
