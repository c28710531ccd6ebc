"""Which articles a subscription gets: new above its cursor, of its topics, with what earlier issues left over.

Decision 1 of the design: identity, not time windows. Feeds select by window in the store; this is for digests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicate.config.sections import Digest
from syndicate.model import Article

# A bulk import must not make a mail of 10,000 lines: past these the mail says how many more there are.
MAX_HEADLINES = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands: see ``model.Subscription``. ``topics`` maps a topic (``*`` = all) to its start."""

    cursor: int
    first: bool
    topics: Mapping[str, int]
    carry: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What an issue holds for one standing: whole articles, headlines, how many more, and what waits for the next.

    ``wanted`` is False when there is nothing to say, or less than ``min_items``: then the cursor stays.
    """

    articles: tuple[Article, ...] = ()
    headlines: tuple[Article, ...] = ()
    more: int = 0
    left_over: tuple[int, ...] = ()

    @property
    def wanted(self) -> bool:
        return bool(self.articles)


def matches(article: Article, standing: Standing, *, look_back_to: datetime) -> bool:
    """Whether an article is new for a standing and of its topics. Carried articles are not asked again."""
    seq = article.seq
    if seq is None or seq <= standing.cursor:
        return False
    if standing.first and article.published_at < look_back_to:
        return False
    own = article.topics
    return any(seq > since and (topic == "*" or topic in own) for topic, since in standing.topics.items())


def readable(article: Article, now: datetime) -> bool:
    """Whether an article may be shown: published, not withdrawn, not expired."""
    if article.seq is None or article.withdrawn_at is not None:
        return False
    return article.content.expires_at is None or article.content.expires_at > now


def choose(candidates: Sequence[Article], standing: Standing, digest: Digest, *, now: datetime) -> Choice:
    """Choose from candidates (those above the lowest cursor, and the carried ones) what one standing gets.

    Pinned articles come first, then what was carried (oldest first), then the newest.
    """
    look_back_to = now - digest.lookback
    carried = set(standing.carry)
    fit = [
        article
        for article in candidates
        if readable(article, now) and (article.id in carried or matches(article, standing, look_back_to=look_back_to))
    ]
    if len(fit) < digest.min_items:
        return Choice()
    fit.sort(key=lambda article: _rank(article, carried))
    articles, rest = tuple(fit[: digest.max_items]), tuple(fit[digest.max_items :])
    if digest.overflow == "carry":
        return Choice(articles=articles, left_over=tuple(sorted(article.id for article in rest)))
    if digest.overflow == "headlines":
        return Choice(articles=articles, headlines=rest[:MAX_HEADLINES], more=max(0, len(rest) - MAX_HEADLINES))
    return Choice(articles=articles)


def _rank(article: Article, carried: set[int]) -> tuple[bool, bool, float, int]:
    published = article.published_at.timestamp()
    was_carried = article.id in carried
    return (not article.content.pinned, not was_carried, published if was_carried else -published, -article.id)
