"""What a run of publish tells of each feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syndicate.model import ItemProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedResult:
    """What one run did for a configured feed, with all below it (categories …, archives).

    ``documents`` there are, ``changed`` were written or removed, ``entries`` are those of the feed itself.
    ``error`` says why it could not be built; its last good files stand. ``problems`` are the articles left out of it.
    A feed below another has a result of its own only when it failed.
    """

    feed: str
    documents: int = 0
    changed: int = 0
    entries: int = 0
    error: str | None = None
    problems: tuple[ItemProblem, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The feed in JSON, as ``feeds build --json`` writes it."""
        found: dict[str, Any] = {
            "feed": self.feed,
            "documents": self.documents,
            "changed": self.changed,
            "entries": self.entries,
        }
        if self.error:
            found["error"] = self.error
        if self.problems:
            found["problems"] = [{"article": problem.item, "error": problem.error} for problem in self.problems]
        return found
