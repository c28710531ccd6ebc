"""Errors of the API as problem details (RFC 9457): the one table of what can go wrong. docs/api.md has it in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.documents import to_json
from syndicate.errors import (
    AddressError,
    ArticleError,
    DiskFullError,
    HeaderError,
    PreflightError,
    StoreError,
    SuppressedError,
    SyndicateError,
    TemplateError,
    TransitionError,
    UnknownNameError,
    UsageError,
)

log = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
_FRESH: Final = {"cache-control": "no-store"}
_OURS: Final = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its name stands in ``code`` and, after ``/api/docs#``, in ``type``."""

    code: str
    status: int
    title: str


BAD_JSON = Kind("bad-json", 400, "The body is not JSON")
UNAUTHORIZED = Kind("unauthorized", 401, "A valid token is needed")
FORBIDDEN = Kind("forbidden", 403, "The token may not do this")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
METHOD = Kind("method-not-allowed", 405, "This cannot be done with that method")
CONFLICT = Kind("conflict", 409, "Its state does not allow this")
SUPPRESSED = Kind("suppressed", 409, "This address may not be written to")
PREFLIGHT = Kind("preflight", 409, "The message is not fit to be sent")
TEMPLATE = Kind("template", 409, "A template of the publisher is broken")
IN_PROGRESS = Kind("in-progress", 409, "The same request is being worked on")
TOO_LARGE = Kind("too-large", 413, "The body is too large")
MEDIA = Kind("unsupported-media-type", 415, "The body must be application/json")
INVALID = Kind("invalid", 422, "The request makes no sense")
KEY_REUSED = Kind("key-reused", 422, "The Idempotency-Key belongs to another request")
TOO_MANY = Kind("too-many-requests", 429, "Too many requests with this token")
FAULT = Kind("fault", 500, "Something went wrong on our side")
UNAVAILABLE = Kind("unavailable", 503, "Please try again")

KINDS: Final[tuple[Kind, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))

_ERRORS: Final[dict[type[Exception], Kind]] = {
    UnknownNameError: NOT_FOUND,
    UsageError: INVALID,
    AddressError: INVALID,
    HeaderError: INVALID,
    ArticleError: INVALID,
    TransitionError: CONFLICT,
    SuppressedError: SUPPRESSED,
    PreflightError: PREFLIGHT,
    TemplateError: TEMPLATE,
    StoreError: UNAVAILABLE,
    DiskFullError: UNAVAILABLE,
    SyndicateError: UNAVAILABLE,
}
# What these say is about our machine and for our log.
_KEPT_BACK: Final = {UNAVAILABLE, FAULT}
_STATUSES: Final = {404: NOT_FOUND, 405: METHOD, 413: TOO_LARGE, 415: MEDIA}


class ProblemError(Exception):
    """A request that ends here with a problem."""

    def __init__(self, kind: Kind, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail or kind.title)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}


def problem(
    kind: Kind,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
) -> Response:
    """The response of a problem. ``errors`` names the places in a request that make no sense."""
    document: dict[str, Any] = {
        "type": f"/api/docs#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
    }
    if detail:
        document["detail"] = detail
    if errors is not None:
        document["errors"] = list(errors)
    more = {"retry-after": "30"} if kind is UNAVAILABLE else {}
    return Response(
        to_json(document), kind.status, media_type=MEDIA_TYPE, headers={**_FRESH, **more, **(headers or {})}
    )


def problem_of(error: Exception) -> Response:
    """What to answer to an error of ours."""
    for cls in type(error).__mro__:
        if cls in _ERRORS:
            kind = _ERRORS[cls]
            if kind in _KEPT_BACK:
                log.error("the API could not answer: %s", error)
                return problem(kind)
            return problem(kind, str(error))
    return problem(FAULT)


def register(app: FastAPI) -> None:
    """Have every error of an application told as a problem."""

    def raised(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class
        return problem(error.kind, error.detail, headers=error.headers)

    def expected(_request: Request, error: Exception) -> Response:
        return problem_of(error)

    def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - likewise
        kind = _STATUSES.get(error.status_code)
        if kind is None:
            phrase = HTTPStatus(error.status_code).phrase
            kind = BAD_JSON if error.status_code == HTTPStatus.BAD_REQUEST else Kind("http", error.status_code, phrase)
        return problem(kind, headers=error.headers)

    def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - likewise
        found = list(error.errors())
        if any(each["type"] == "json_invalid" for each in found):
            return problem(BAD_JSON)
        return problem(INVALID, errors=[_place(each) for each in found[:20]])

    def fault(_request: Request, _error: Exception) -> Response:
        return problem(FAULT)  # Starlette raises the error again for the server's log

    app.add_exception_handler(ProblemError, raised)
    app.add_exception_handler(SyndicateError, expected)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, fault)


def _place(error: Mapping[str, Any]) -> dict[str, str]:
    """One fault without the value itself, which may be somebody's."""
    return {"where": ".".join(str(part) for part in error["loc"])[:200], "message": str(error["msg"])[:300]}
