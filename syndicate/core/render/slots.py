"""Slots: the few per-reader values of an edition, written as markers that are filled in the finished message.

A marker is ASCII letters and digits, so it survives HTML and URL quoting, premailer and wrapping; it carries the
edition's nonce, so no article can forge one. What templates may do with slots is checked in ``slot_rules.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from markupsafe import Markup

from syndicate.errors import UsageError

# The letter of each slot in its marker. Templates know neither those of headers, ``unsubscribe_mailto``, ``message_id``
# and ``date``, nor those of the parts of a joint mail by these names.
CODES: Mapping[str, str] = {
    "recipient.name": "n",
    "recipient.email": "e",
    "unsubscribe_url": "u",
    "preferences_url": "p",
    "web_url": "w",
    "unsubscribe_mailto": "m",
    "message_id": "i",
    "date": "d",
    "part.unsubscribe_url": "l",
    "part.preferences_url": "c",
    "part.web_url": "v",
}
URL_SLOTS = ("unsubscribe_url", "preferences_url", "web_url")
PART_SLOTS = ("part.unsubscribe_url", "part.preferences_url", "part.web_url")
LATER_SLOTS = ("personal_feed_url",)
_NAMES = {code: name for name, code in CODES.items()}
_NONCE = re.compile(r"[a-z][a-z0-9]{15,63}")


def check_nonce(nonce: str) -> str:
    """Accept 16 to 64 lower-case letters and digits that begin with a letter; raises UsageError."""
    if not _NONCE.fullmatch(nonce):
        raise UsageError("a nonce is 16 to 64 lower-case ASCII letters and digits and begins with a letter")
    return nonce


def marker(slot: str, nonce: str, fallback: str = "") -> str:
    """The text that stands for a slot; ``fallback`` is what is filled in when the reader's value is empty."""
    return f"{nonce}{CODES[slot]}{fallback.encode().hex()}z"


@lru_cache(maxsize=64)
def marker_pattern(nonce: str) -> re.Pattern[str]:
    """Finds markers of one edition; one capturing group around the whole, so that ``split`` keeps them."""
    return re.compile(f"({nonce}[{''.join(_NAMES)}](?:[0-9a-f]{{2}})*z)")


def read_marker(found: str, nonce: str) -> tuple[str, str]:
    """The slot's name and fallback text of one marker that ``marker_pattern`` found."""
    body = found[len(nonce) : -1]
    return _NAMES[body[0]], bytes.fromhex(body[1:]).decode()


def fill_markers(text: str, nonce: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """Put values into a text that is not a message (previews, subjects); ``encode`` may be ``html.escape``."""

    def value(match: re.Match[str]) -> str:
        slot, fallback = read_marker(match[0], nonce)
        return encode(slot_value(values, slot, fallback))

    return marker_pattern(nonce).sub(value, text)


def slot_value(values: Mapping[str, str], slot: str, fallback: str) -> str:
    """The reader's value. A slot of one part of a joint mail says in the place of a fallback which digest it is of."""
    if slot in PART_SLOTS:
        return values.get(f"{slot} {fallback}", "")
    return values[slot] or fallback


def altered_marker(text: str, nonce: str) -> bool:
    """Whether something (a filter, a comparison of letters) has damaged a marker in a rendered text."""
    return text.casefold().count(nonce) != len(marker_pattern(nonce).findall(text))


class SlotMisuseError(Exception):
    """A template did something with a slot other than print it; becomes a TemplateError with name and line."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """What templates see: it can be printed, and nothing else can be known about it."""

    name: str
    nonce: str
    fallback: str = ""

    def __str__(self) -> str:
        return marker(self.name, self.nonce, self.fallback)

    def __html__(self) -> str:
        return Markup(str(self))  # noqa: S704 - letters and digits only

    def or_else(self, fallback: str) -> Slot:
        """The same slot with another text for readers whose value is empty."""
        return Slot(self.name, self.nonce, fallback)

    def _refuse(self, *_: Any) -> NoReturn:
        raise SlotMisuseError(
            f"{self.name} differs from reader to reader and can only be printed: no condition, comparison or loop on it"
        )

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = __int__ = __float__ = __call__ = _refuse
