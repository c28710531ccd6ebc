"""What a provider says of one message of ours, in the words of our own classes; and how its JSON is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syndicate.core.bounces.addresses import first_address
from syndicate.core.bounces.refusals import refusal
from syndicate.core.bounces.report import Action, ReturnClass, Returned
from syndicate.errors import HookRefusedError

#: So many events of one call are looked at; providers send at most a thousand.
MOST_EVENTS: Final = 5_000
_TEXT: Final = 500
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """``said`` of a recipient; ``names`` is where tokens of ours may stand: Message-ID, envelope sender.

    ``leaves``: she asked the provider to end it, and nothing else is said.
    """

    said: Returned
    names: tuple[str, ...] = ()
    leaves: bool = False


def failure(
    recipient: str | None, words: str, *, cls: ReturnClass, status: str | None = None, delayed: bool = False
) -> Returned:
    """A refusal: as its words say, where they quote a server; else as the provider classes it."""
    action = Action.DELAYED if delayed else Action.FAILED
    known = status if status is not None and _STATUS.fullmatch(status) else None
    found = refusal(recipient, words, status=known, action=action)
    if found.code is not None or found.status is not None:
        return found
    return Returned(recipient=recipient, cls=cls, action=action, text=found.text)


def complaint(recipient: str | None, words: str = "complaint") -> Returned:
    """The reader pressed "this is spam"."""
    return Returned(recipient=recipient, cls=ReturnClass.COMPLAINT, text=words[:_TEXT])


def leaving(recipient: str | None, names: tuple[str, ...]) -> Told:
    """The reader asked the provider to end it."""
    said = Returned(recipient=recipient, cls=ReturnClass.AUTOREPLY, text="unsubscribed at the provider")
    return Told(said=said, names=names, leaves=True)


def text(fields: Any, *path: str) -> str:
    """A text within nested objects; empty where there is none. Numbers become texts."""
    for key in path:
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    if not isinstance(fields, (str, int, float)) or isinstance(fields, bool):
        return ""
    # JSON can hold NUL and halves of surrogate pairs, which no database takes.
    return str(fields)[:100_000].replace("\0", " ").encode("utf-8", "replace").decode()


def address(fields: Any, *path: str) -> str | None:
    """A mail address within nested objects."""
    return first_address(text(fields, *path))


def part(fields: Any, *path: str) -> Mapping[str, Any]:
    """An object within others; an empty one where there is none."""
    for key in path:
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    return fields if isinstance(fields, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or one that stands alone."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found[:MOST_EVENTS] if isinstance(one, Mapping)]


def read_json(body: bytes) -> Any:
    """The document of a call. Raises HookRefusedError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HookRefusedError("it is no JSON") from None
