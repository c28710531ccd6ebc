"""How operations of the API are declared: their scope, what they answer, and which problems they can end in."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Security
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.api_scopes import PUSH, allowed, may_push_some
from syndicate.core.documents import to_json
from syndicate.store.api_tokens import ApiToken
from syndicate.web.api.models import Problem
from syndicate.web.api.problems import FORBIDDEN, INVALID, KINDS, MEDIA_TYPE, ProblemError

_ALWAYS: Final = (400, 401, 403, 413, 415, 422, 429, 500, 503)
_FRESH: Final = {"cache-control": "no-store"}
MOST: Final = 200

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many entries.")]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=400, pattern=r"^[A-Za-z0-9_-]+$", description="`next` of the page before."),
]

IssueNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="The issue's number.")]


class Bearer(SecurityBase):
    """What OpenAPI says of tokens; the gate has read them already."""

    def __init__(self, scopes: Sequence[str]) -> None:
        self.model = BearerModel(description="A token made with `syndicate tokens add`.")
        self.scheme_name = "token"
        self._scopes = scopes

    async def __call__(self, request: Request) -> ApiToken:
        token: ApiToken = request.scope["state"]["token"]
        for scope in self._scopes:
            held = may_push_some(token.scopes) if scope == PUSH else allowed(token.scopes, scope)
            if not held:
                raise ProblemError(FORBIDDEN, f"the token lacks the scope {scope}")
        return token


def operation(
    router: APIRouter,
    method: str,
    path: str,
    handler: Callable[..., Response],
    *,
    scopes: Sequence[str],
    model: type[BaseModel],
    status: int = 200,
    also: Sequence[int] = (),
    problems: Sequence[int] = (),
) -> None:
    """Add one. ``also``: other statuses of success; ``problems``: beside those that every operation has."""
    titles = {kind.status: " / ".join(one.title for one in KINDS if one.status == kind.status) for kind in KINDS}
    schema = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[int | str, dict[str, Any]] = {
        number: {"description": titles[number], "content": schema} for number in sorted({*_ALWAYS, *problems})
    }
    for number in also:
        responses[number] = {"model": model, "description": "It was there already"}
    router.add_api_route(
        path,
        handler,
        methods=[method],
        response_model=model,
        status_code=status,
        responses=responses,
        dependencies=[Security(Bearer(scopes), scopes=list(scopes))],
        description=(handler.__doc__ or "").strip(),
        operation_id=handler.__name__,
        summary=(handler.__doc__ or "").strip().split(".")[0],
    )


def add_problem_schema(document: dict[str, Any]) -> None:
    """Put the schema that every problem refers to into an OpenAPI document."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema


def answer(document: Any, status: int = 200) -> Response:
    """A document as the answer."""
    return Response(to_json(document), status, media_type="application/json", headers=_FRESH)


def token_of(request: Request) -> ApiToken:
    """Who asks."""
    token: ApiToken = request.scope["state"]["token"]
    return token


def write_cursor(*parts: Any) -> str:
    """Where the next page begins, as a text that says nothing to others."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """What ``write_cursor`` was given. Raises ProblemError for anything else."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ProblemError(INVALID, "cursor: expected `next` of a page before") from error
    fits = isinstance(parts, list) and len(parts) == len(kinds)
    if not fits or any(type(part) is not kind for part, kind in zip(parts, kinds, strict=True)):
        raise ProblemError(INVALID, "cursor: expected `next` of a page before")
    if any(isinstance(part, int) and not -(2**63) <= part < 2**63 for part in parts):
        raise ProblemError(INVALID, "cursor: expected `next` of a page before")
    return tuple(parts)


def page(name: str, entries: Sequence[Any], limit: int, following: Callable[[], str]) -> Response:
    """One page of a list; ``next`` is null on the last one."""
    return answer({name: list(entries), "next": following() if len(entries) == limit else None})
