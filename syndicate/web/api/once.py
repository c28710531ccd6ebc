"""Requests that may come twice: with an Idempotency-Key the work is done once, and the answer is given again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.documents import to_json
from syndicate.service.wiring import Services
from syndicate.store import api_requests
from syndicate.web.api.operations import answer, token_of
from syndicate.web.api.problems import IN_PROGRESS, KEY_REUSED, ProblemError

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Any text of yours: the same request with it is done once, within a day.",
    ),
]


def once(
    services: Services,
    request: Request,
    key: str | None,
    wish: Mapping[str, Any],
    work: Callable[[datetime], tuple[int, Any]],
) -> Response:
    """Do ``work`` and answer with its status and document, or give again what was answered before.

    ``work`` gets the time of the first try: what it does must come to the same when it is done again after a crash. Its
    document must hold nobody's data, since it is kept for a day.
    """
    now = services.clock()
    if key is None:
        status, document = work(now)
        return answer(document, status)
    token = token_of(request)
    said = json.dumps([request.method, request.url.path, wish], sort_keys=True, default=str)
    fingerprint = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    claimed = services.database.repeat(lambda session: api_requests.claim(session, token.id, key, fingerprint, now))
    if claimed.fingerprint != fingerprint:
        raise ProblemError(KEY_REUSED, "it was sent with another request before")
    if claimed.status is not None:
        return Response(
            (claimed.answer or "").encode(),
            claimed.status,
            media_type="application/json",
            headers={"cache-control": "no-store", "idempotent-replayed": "true"},
        )
    if not claimed.ours:
        raise ProblemError(IN_PROGRESS, "ask again in a moment", headers={"retry-after": "2"})
    try:
        status, document = work(claimed.began_at)
    except Exception:
        with services.database.write() as session:
            api_requests.let_go(session, token.id, key)
        raise
    with services.database.write() as session:
        api_requests.answered(session, token.id, key, status=status, answer=to_json(document).decode())
    return answer(document, status)
