"""Which articles a subscription gets: new above its cursor, of its topics, with what earlier issues left over.

Decision 1 of the design: identity, not time windows. Feeds select by window in the store; this is for digests.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from syndicate.config.sections import Digest

# A bulk import must not make a mail of 10,000 lines: past these the mail says how many more there are.
MAX_HEADLINES = 50

_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What selection must know of a numbered article; its text is read only when it was chosen.

    ``topics`` are the case-folded category and tags.
    """

    id: int
    seq: int
    version: int
    published_at: datetime
    topics: frozenset[str] = frozenset()
    pinned: bool = False
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands: see ``model.Subscription``. ``topics`` maps a topic (``*`` = all) to its start."""

    cursor: int
    first: bool
    topics: Mapping[str, int]
    carry: tuple[int, ...] = ()
    joined_seq: int = 0

    @property
    def owed_from(self) -> int:
        """The number above which every article counts, however old it is."""
        return max(self.cursor, self.joined_seq) if self.first else self.cursor


class Offer:
    """The articles that an issue can draw on, each once, found by number and by id."""

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self._by_id = {outline.id: outline for outline in outlines}
        self._by_seq = sorted(self._by_id.values(), key=_SEQ)

    def for_standing(self, standing: Standing) -> Iterator[Outline]:
        """Those above the cursor, and those carried that lie below it."""
        yield from self._by_seq[bisect_right(self._by_seq, standing.cursor, key=_SEQ) :]
        for article_id in dict.fromkeys(standing.carry):
            outline = self._by_id.get(article_id)
            if outline is not None and outline.seq <= standing.cursor:
                yield outline

    def find(self, ids: Iterable[int]) -> list[Outline]:
        """Those of these ids that are there."""
        return [self._by_id[each] for each in ids if each in self._by_id]


@dataclass(frozen=True, slots=True)
class Choice:
    """What an issue holds for one standing: whole articles, headlines, how many more, and what waits for the next.

    ``waits`` is True when something fits, but less than ``min_items``: then the cursor must stay. With neither articles
    nor ``waits`` all was considered and nothing is to be said.
    """

    articles: tuple[Outline, ...] = ()
    headlines: tuple[Outline, ...] = ()
    more: int = 0
    left_over: tuple[int, ...] = ()
    waits: bool = False

    @property
    def wanted(self) -> bool:
        return bool(self.articles)


def matches(outline: Outline, standing: Standing, *, look_back_to: datetime) -> bool:
    """Whether an article is new for a standing and of its topics. Carried articles are not asked again.

    ``look_back_to`` bounds what was there before the reader joined, and nothing else: a monthly reader's first issue
    holds all of the first month.
    """
    seq = outline.seq
    if seq <= standing.cursor:
        return False
    if standing.first and seq <= standing.joined_seq and outline.published_at < look_back_to:
        return False
    own = outline.topics
    return any(seq > since and (topic == "*" or topic in own) for topic, since in standing.topics.items())


def readable(outline: Outline, now: datetime) -> bool:
    """Whether an article may be shown: not withdrawn, not expired."""
    return outline.withdrawn_at is None and (outline.expires_at is None or outline.expires_at > now)


def choose(offer: Offer, standing: Standing, digest: Digest, *, now: datetime) -> Choice:
    """Choose what one standing gets. Pinned articles come first, then what was carried (oldest first), then the newest.

    The offer must hold all that is above ``standing.owed_from``, what was published within ``lookback`` when it is a
    first issue, and what is carried; more does no harm.
    """
    look_back_to = now - digest.lookback
    carried = set(standing.carry)
    fit = [
        outline
        for outline in offer.for_standing(standing)
        if readable(outline, now) and (outline.id in carried or matches(outline, standing, look_back_to=look_back_to))
    ]
    if len(fit) < digest.min_items:
        return Choice(waits=bool(fit))
    fit.sort(key=lambda outline: _rank(outline, carried))
    articles, rest = tuple(fit[: digest.max_items]), tuple(fit[digest.max_items :])
    if digest.overflow == "carry":
        return Choice(articles=articles, left_over=tuple(sorted(outline.id for outline in rest)))
    if digest.overflow == "headlines":
        return Choice(articles=articles, headlines=rest[:MAX_HEADLINES], more=max(0, len(rest) - MAX_HEADLINES))
    return Choice(articles=articles)


def _rank(outline: Outline, carried: set[int]) -> tuple[bool, bool, float, int]:
    published = outline.published_at.timestamp()
    was_carried = outline.id in carried
    return (not outline.pinned, not was_carried, published if was_carried else -published, -outline.id)
