"""What every reader of a source gets and gives. Readers find what is new, changed or gone and decide nothing.

``pipeline/ingest.py`` declares the ``Source`` protocol that the readers fulfil.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syndicate.core.article.text import clean_line
from syndicate.core.following import Topic
from syndicate.model import ItemProblem, SourceItem

SCAN = "scan"  # the part of a reader's state that stands for the stamps of all its items
_MAX_ITEM = 500  # characters: an item stands in a unique index, whose entries PostgreSQL limits to 2,700 bytes


@dataclass(frozen=True, slots=True)
class Known:
    """The stamps of items as last taken: of all (100,000 rows: tens of milliseconds) or only of those asked for."""

    all: Callable[[], dict[str, str]]
    some: Callable[[Sequence[str]], dict[str, str]]


@dataclass(slots=True)
class Reading:
    """One reading of a source, under way. Iterate ``pages`` to the end; then the other fields hold.

    Pages hold only items that are new, changed (stamp differs from the known one) or broken for the first time, at most
    a few hundred each. ``removed``: known items that are gone, or None when this reading did not look for them; a
    reader whose items can change their name sets it before the first page, so that a renamed item is not taken for a
    second one. ``warnings``: what was taken and is not as it should be. ``state`` is kept for the reader's next time. A
    source that cannot be read at all raises SourceError from ``pages``, and its last state stays; or it says so in
    ``error``, and its state is kept. ``topics``: its feeds that a hub tells of changes, all of them; None where there
    is no such thing.
    """

    pages: Iterator[list[SourceItem]]
    seen: int = 0
    removed: frozenset[str] | None = None
    warnings: list[ItemProblem] = field(default_factory=list)
    state: Any = field(default_factory=dict)
    error: str | None = None
    topics: tuple[Topic, ...] | None = None

    def look_again(self) -> None:
        """Stamps were reset after this reading: the next one must compare all of them."""
        if isinstance(self.state, dict):
            self.state = {name: value for name, value in self.state.items() if name != SCAN}


def item_name(place: str) -> str:
    """Name a path or a row id in our database: the same where it can be, else cleaned, shortened and told apart."""
    if place.isascii() and place.isprintable() and len(place) <= _MAX_ITEM:
        return place
    name = clean_line(place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
    if name == place and len(name) <= _MAX_ITEM:
        return name
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"{name[: _MAX_ITEM - len(digest) - 1]}~{digest}"
