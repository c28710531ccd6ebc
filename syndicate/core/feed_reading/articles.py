"""From the entries of a feed to the items that ingest takes: one for each id, ours left out, each with its stamp.

What the fields mean is decided in ``core/article``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syndicate.config.sources import FeedSource
from syndicate.core.article.body import plain_text
from syndicate.core.article.sanitise import sanitise
from syndicate.core.article.text import clean_line
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed
from syndicate.core.feed_reading.identity import Ours, address_key, entry_key
from syndicate.core.feed_reading.values import moment, title_from
from syndicate.errors import SourceError
from syndicate.model import ArticleKind, ItemProblem, SourceItem

_KINDS = frozenset(kind.value for kind in ArticleKind)
_STAMP = 24
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItems:
    """What a feed holds for ingest. The item of an entry is its key; ``deleted`` holds the keys it takes back."""

    items: tuple[SourceItem, ...]
    problems: tuple[ItemProblem, ...]
    deleted: frozenset[str]


def items_of(
    feed: ReadFeed, settings: FeedSource, ours: Ours, *, stamped: str = "", name: str | None = None
) -> FeedItems:
    """Turn a feed into items whose stamps begin with ``stamped``, which tells its feed among those of one source.

    ``name`` is the feed's address as configured: ids that are no URIs count with its host, wherever it moved.
    Raises SourceError for a feed of our own: what we publish would come back as new articles.
    """
    if ours.is_feed(feed):
        raise SourceError(
            f"{feed.address}: this is a feed of our own ({feed.self_address or ours.public_url}); taking it would turn "
            "in a circle. Name the feed that the articles come from"
        )
    name = name or feed.address
    problems: list[ItemProblem] = []
    if feed.repaired:
        problems.append(ItemProblem(item=f"{name} document", error=feed.repaired))
    chosen: dict[str, ReadEntry] = {}
    for number, entry in enumerate(feed.entries, 1):
        if ours.is_id(entry.id):
            continue
        key = entry_key(entry, name)
        if key is None:
            problems.append(ItemProblem(item=f"{name} entry {number}", error="it has no id, link, title or text"))
        elif key in chosen:
            problems.append(_twice(name, key, chosen[key], entry))
            chosen[key] = _newer(chosen[key], entry)
        else:
            chosen[key] = entry
    items: list[SourceItem] = []
    for key, entry in chosen.items():
        error = _reason_against(entry, settings)
        if error:
            problems.append(ItemProblem(item=f"{name} {key}", error=error))
        else:
            items.append(_item(key, entry, feed, settings, ours, stamped))
    deleted = {key for ref in feed.deleted if (key := entry_key(ReadEntry(id=ref), name))}
    return FeedItems(items=tuple(items), problems=tuple(_merged(problems)), deleted=frozenset(deleted - chosen.keys()))


def _newer(one: ReadEntry, other: ReadEntry) -> ReadEntry:
    """Of two entries with one id the newer; the first if that cannot be told, since feeds begin with the newest."""
    return other if _age(other) > _age(one) else one


def _age(entry: ReadEntry) -> float:
    times = [moment(time).timestamp() for time in (entry.published, entry.updated) if time]
    return max(times, default=float("-inf"))


def _twice(name: str, key: str, one: ReadEntry, other: ReadEntry) -> ItemProblem:
    titles = " and ".join(f'"{entry.title[:_SHOWN]}"' for entry in (one, other))
    return ItemProblem(item=f"{name} {key}", error=f"two entries have this id ({titles}); only the newer one is taken")


def _merged(problems: Iterable[ItemProblem]) -> Iterable[ItemProblem]:
    """One problem for each thing: three entries with one id are told once."""
    return {problem.item: problem for problem in problems}.values()


def _reason_against(entry: ReadEntry, settings: FeedSource) -> str | None:
    size = len(entry.body.encode("utf-8", "surrogatepass"))
    if size > settings.max_article_size:
        return (
            f"it has {size:,} bytes; more than {settings.max_article_size:,} are not taken "
            "(max_article_size of the source raises that)"
        )
    if not (entry.title or entry.summary or entry.body.strip()):
        return "it has neither title nor text"
    return None


def _item(key: str, entry: ReadEntry, feed: ReadFeed, settings: FeedSource, ours: Ours, stamped: str) -> SourceItem:
    body = entry.body
    if entry.form == "html" and (entry.base or feed.address) != entry.link:
        # The article's own address will be the base of what is relative; here it is another one.
        body = sanitise(body, entry.base or feed.home or feed.address)
    category, *tags = entry.categories or ("",)
    fields: dict[str, Any] = {
        "id": key,
        "title": entry.title or _title(entry),
        "url": entry.link,
        "summary": entry.summary,
        "authors": list(entry.authors),
        "publisher": None if settings.publisher else entry.publisher or _house(feed, ours),
        "category": category,
        "tags": tags,
        "language": entry.language or settings.language or feed.language,
        "published_at": entry.published or entry.updated,
        "updated_at": entry.updated,
        "image": entry.image,
        "image_alt": entry.image_alt,
        "attachments": [{"url": one.url, "type": one.type, "length": one.length} for one in entry.attachments],
        "comments": entry.comments,
        "comments_url": entry.comments_url,
        "comments_feed": entry.comments_feed,
        "kind": entry.kind if entry.kind in _KINDS else None,
    }
    given = {name: value for name, value in fields.items() if value not in (None, "", [])}
    said = repr((sorted(given.items()), entry.form, body))
    stamp = f"{stamped}:{hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()[:_STAMP]}"
    return SourceItem(item=key, stamp=stamp, fields=given, body=body, format=entry.form)


def _title(entry: ReadEntry) -> str:
    text = clean_line(entry.body) if entry.form == "text" else plain_text(sanitise(entry.body, None))
    return title_from(entry.summary or text) or address_key(entry.link or "") or "…"


def _house(feed: ReadFeed, ours: Ours) -> str:
    """Who publishes the entries: another house by the title of its feed; on the publisher's own site nobody else."""
    return "" if ours.is_home(feed.home or feed.address) else feed.title
