"""The one table that maps errors to HTTP statuses and to what a reader is told; details of ours stay with us."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus

from syndicate.errors import (
    AddressError,
    DiskFullError,
    ExpiredTokenError,
    StoreBusyError,
    StoreError,
    SyndicateError,
    TokenError,
    TransitionError,
    UnknownNameError,
    UsageError,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A status, and the title and text of its page. ``detail``: the error's own words are for the reader.

    ``key``: of the words that say both in other languages.
    """

    status: int
    title: str
    text: str
    detail: bool = False
    key: str | None = None


_BUSY = Told(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Please try again",
    "This took longer than it should. Nothing was changed; try again.",
    key="error_busy",
)
TABLE: dict[type[Exception], Told] = {
    ExpiredTokenError: Told(
        HTTPStatus.GONE,
        "This link has expired",
        "Such links work for a limited time. Ask once more, as you did the first time, and a new one is sent to you.",
        key="error_expired",
    ),
    TokenError: Told(
        HTTPStatus.NOT_FOUND,
        "This link does not work",
        "It was cut short or altered on its way. Open it from the mail itself, or copy it as a whole.",
        key="error_token",
    ),
    UnknownNameError: Told(
        HTTPStatus.GONE,
        "There is nothing here any more",
        "This subscription does not exist any more, and nothing is sent for it.",
        key="error_gone",
    ),
    TransitionError: Told(HTTPStatus.CONFLICT, "This is not possible now", "", detail=True, key="error_state"),
    UsageError: Told(HTTPStatus.BAD_REQUEST, "This cannot be chosen", "", detail=True, key="error_choice"),
    AddressError: Told(HTTPStatus.BAD_REQUEST, "This is no e-mail address", "", detail=True, key="error_address"),
    StoreBusyError: _BUSY,
    StoreError: _BUSY,
    DiskFullError: _BUSY,
}
_STATUSES = {
    HTTPStatus.BAD_REQUEST: Told(
        400, "This could not be read", "The form arrived damaged. Go back and send it again.", key="error_damaged"
    ),
    HTTPStatus.NOT_FOUND: Told(
        404, "There is no such page", "The address may have been cut short or mistyped.", key="error_page"
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: Told(
        405, "This does not work here", "Open the link from your mail once more.", key="error_method"
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Told(
        413, "That was too much", "The form holds more than it can. Shorten it.", key="error_large"
    ),
}
FAULT = Told(
    500,
    "Something went wrong",
    "This was our fault, and it was written down. Please try again later.",
    key="error_fault",
)


def told(error: Exception) -> Told:
    """What to answer to an error; everything unknown is a fault of ours."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            found = TABLE[kind]
            return replace(found, text=_sentence(str(error))) if found.detail else found
    if isinstance(error, SyndicateError):
        return replace(FAULT, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return FAULT


def told_status(status: int) -> Told:
    """What to answer where no page of ours was reached."""
    return _STATUSES.get(HTTPStatus(status), Told(status, HTTPStatus(status).phrase, ""))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
