"""What every reader of a source gets and gives. Readers find what is new, changed or gone; they decide nothing about articles.

``pipeline/ingest.py`` declares the ``Source`` protocol that the readers fulfil.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syndicate.model import SourceItem


@dataclass(frozen=True, slots=True)
class Known:
    """The stamps of items as last taken: of all (100,000 rows: tens of milliseconds) or only of those asked for."""

    all: Callable[[], dict[str, str]]
    some: Callable[[Sequence[str]], dict[str, str]]


@dataclass(slots=True)
class Reading:
    """One reading of a source, under way. Iterate ``pages`` to the end; then the other fields hold.

    Pages hold only items that are new, changed (stamp differs from the known one) or broken for the first time, at most a few
    hundred each. ``removed``: known items that are gone, or None when this reading did not look for them. ``state`` is kept
    for the reader's next time. A source that cannot be read at all raises SourceError from ``pages``.
    """

    pages: Iterator[list[SourceItem]]
    seen: int = 0
    removed: frozenset[str] | None = None
    state: Any = field(default_factory=dict)
