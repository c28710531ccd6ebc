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
from syndicate.core.ordering import by_section, ranked
from syndicate.core.reads import EVERY_LANGUAGE, Reads

# A bulk import must not make a mail of 10,000 lines: past these the mail says how many more there are.
MAX_HEADLINES = 50

_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What selection must know of a numbered article; its text is read only when it was chosen.

    ``topics`` are the case-folded category and tags, ``category`` is case-folded, too; both empty texts mean none.
    """

    id: int
    seq: int
    version: int
    published_at: datetime
    topics: frozenset[str] = frozenset()
    category: str = ""
    language: str = ""
    title: str = ""
    popularity: float | None = None
    pinned: bool = False
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands: see ``model.Subscription``. ``topics`` maps a topic (``*`` = all) to its start.

    ``reads`` is not kept with it: it follows from the reader's language and the digest's ``language_choice``.
    """

    cursor: int
    first: bool
    topics: Mapping[str, int]
    carry: tuple[int, ...] = ()
    joined_seq: int = 0
    reads: Reads = EVERY_LANGUAGE

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
    nor ``waits`` all was considered and nothing is to be said. ``left_over`` also holds what would have fitted but is
    withdrawn at present: it is owed should it come back.
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
    """Whether an article is new for a standing, of its topics and its language. Carried articles are not asked again.

    ``look_back_to`` bounds what was there before the reader joined, and nothing else: a monthly reader's first issue
    holds all of the first month.
    """
    seq = outline.seq
    if seq <= standing.cursor or not standing.reads.takes(outline.language):
        return False
    if standing.first and seq <= standing.joined_seq and outline.published_at < look_back_to:
        return False
    own = outline.topics
    return any(seq > since and (topic == "*" or topic in own) for topic, since in standing.topics.items())


def readable(outline: Outline, now: datetime) -> bool:
    """Whether an article may be shown: not withdrawn, not expired."""
    return outline.withdrawn_at is None and not _expired(outline, now)


def may_return(outline: Outline, now: datetime, since: datetime) -> bool:
    """Whether an article was withdrawn so lately (after ``since``) that its return would be the same news."""
    return outline.withdrawn_at is not None and outline.withdrawn_at > since and not _expired(outline, now)


def choose(offer: Offer, standing: Standing, digest: Digest, *, now: datetime) -> Choice:
    """Choose what one standing gets, in the order of ``ordering.py``.

    The offer must hold all that is above ``standing.owed_from``, what was published within ``lookback`` when it is a
    first issue, and what is carried, with what was withdrawn within ``lookback``; more does no harm.
    """
    look_back_to = now - digest.lookback
    carried = set(standing.carry)
    matching = [
        outline
        for outline in offer.for_standing(standing)
        if outline.id in carried or matches(outline, standing, look_back_to=look_back_to)
    ]
    fit = [outline for outline in matching if readable(outline, now)]
    if fit and len(fit) < digest.min_items:
        return Choice(waits=True)
    left_over = {outline.id for outline in matching if may_return(outline, now, look_back_to)}
    fit = ranked(fit, digest, carried)
    articles, rest = by_section(fit[: digest.max_items], digest.sections), tuple(fit[digest.max_items :])
    headlines: tuple[Outline, ...] = ()
    if digest.overflow == "carry":
        left_over.update(outline.id for outline in rest)
    elif digest.overflow == "headlines":
        headlines = rest[:MAX_HEADLINES]
    more = len(rest) - len(headlines) if headlines else 0
    return Choice(articles=articles, headlines=headlines, more=more, left_over=tuple(sorted(left_over)))


def _expired(outline: Outline, now: datetime) -> bool:
    return outline.expires_at is not None and outline.expires_at <= now
