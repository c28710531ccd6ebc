"""Reads feeds on the web: asks for what changed, as seldom as they want, and turns it into items for ingest.

What documents mean: ``core/feed_reading``. What may be asked of whom, how long and how much: ``guard.py``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from syndicate.config.sources import FeedSource
from syndicate.core.feed_reading import FeedItems, Ours, ReadFeed, items_of, read_feed
from syndicate.core.feed_reading.asking import LONGEST_PAUSE, FeedMemory, answered, failed, validated
from syndicate.core.feed_reading.discovery import discover
from syndicate.core.following import Topic
from syndicate.errors import FetchError, RefusedAddressError, SourceError
from syndicate.io.guard import AGENT, Fetched, Limits, fetch
from syndicate.io.sources import Known, Reading, item_name
from syndicate.model import SourceItem

log = logging.getLogger(__name__)

_PAGE = 200
_AT_ONCE = 8  # feeds of one source asked at one time: what waits is the network, what fills memory are their documents
_READER = 1  # part of the fingerprint: raise it when documents are to be read anew although they did not change
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)
_PROBLEM = "problem"  # begins the stamps of items that are none: what is wrong with a feed, told like a broken item


@dataclass(slots=True)
class _Pass:
    """One reading under way: the memory of each feed, and which feed's the items taken so far are."""

    memories: dict[str, FeedMemory]
    known: Known
    now: datetime
    taken: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    _all: dict[str, str] | None = None

    def stamps(self) -> dict[str, str]:
        """The stamps of all items, read once."""
        if self._all is None:
            self._all = self.known.all()
        return self._all


class FeedSourceReader:
    """The ``Source`` of ``type = "feed"``. ``ours`` says what must not come back to us.

    ``insist`` asks all feeds now, except those whose servers said when they want to be asked again; ``called`` are
    those whose hub has just said that they changed. ``networks`` of ``limits`` and its ``context`` are used as given;
    time, size and ``allow_private`` are the settings'.
    """

    def __init__(
        self,
        name: str,
        settings: FeedSource,
        ours: Ours | None = None,
        *,
        insist: bool = False,
        called: frozenset[str] = frozenset(),
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.ours = ours or Ours()
        self.insist = insist
        self.called = called
        self._limits = replace(
            limits or Limits(),
            seconds=settings.timeout.total_seconds(),
            body_bytes=settings.max_size,
            allow_private=settings.allow_private,
        )
        public_url = self.ours.public_url
        self._agent = settings.user_agent or (f"{AGENT} (+{public_url})" if public_url else AGENT)
        self._marks = {_mark(url): url for url in settings.addresses}

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        """Begin a reading. Feeds that fail are problems; when all of them fail, that is the reading's ``error``."""
        reading = Reading(pages=iter(()))
        reading.pages = self._pages(reading, known, state if isinstance(state, dict) else {}, now)
        return reading

    def _pages(
        self, reading: Reading, known: Known, state: Mapping[str, Any], now: datetime
    ) -> Iterator[list[SourceItem]]:
        same = state.get("settings") == self._fingerprint()
        kept = state.get("feeds", {})
        memories = {url: FeedMemory.of(kept.get(url)) for url in self.settings.addresses}
        if not same:
            # Other settings may read the same document otherwise, and pauses belong to the settings that made them.
            memories = {url: replace(memory.without_document(), next_at=None) for url, memory in memories.items()}
        one_pass = _Pass(memories, known, now)
        due = [url for url, memory in memories.items() if memory.is_due(now, insist=self.insist or url in self.called)]
        for start in range(0, len(due), _AT_ONCE):
            batch = due[start : start + _AT_ONCE]
            with ThreadPoolExecutor(len(batch)) as pool:
                answers = list(pool.map(lambda url: self._ask(url, memories[url]), batch))
            for url, answer in zip(batch, answers, strict=True):
                yield from self._take(url, answer, one_pass)
        failing = {url: memory.error for url, memory in memories.items() if memory.error}
        if len(failing) == len(memories):
            reading.error = "; ".join(failing.values())
            failing = {}
        yield from self._problems(failing, one_pass)
        reading.seen = sum(memory.seen for memory in memories.values())
        reading.removed = frozenset(one_pass.gone)
        reading.topics = tuple(
            Topic(feed=url, address=memory.topic, hubs=memory.hubs)
            for url, memory in memories.items()
            if memory.hubs and memory.topic and not memory.gone
        )
        reading.state = {
            "settings": self._fingerprint(),
            "feeds": {url: memory.kept() for url, memory in memories.items()},
        }

    def _ask(self, url: str, memory: FeedMemory) -> Fetched | FetchError:
        headers = {"user-agent": self._agent, "accept": _ACCEPT, **memory.conditions()}
        if url in self.called:
            headers["cache-control"] = "no-cache"  # a cache in between has not heard of it (RFC 9111, 5.2.1.4)
        try:
            return fetch(memory.moved_to or url, headers=headers, limits=self._limits)
        except RefusedAddressError as error:
            return FetchError(f"{url}: {error}. If it is one of yours: allow_private = true in [source.{self.name}]")
        except FetchError as error:
            return error

    def _take(self, url: str, answer: Fetched | FetchError, one_pass: _Pass) -> Iterator[list[SourceItem]]:
        """Take one feed's answer; whatever is wrong with it leaves what is known of its document as it was."""
        memory, interval, now = one_pass.memories[url], self.settings.poll_interval, one_pass.now
        if isinstance(answer, FetchError):
            one_pass.memories[url] = failed(memory, str(answer), interval=interval, now=now)
            return
        try:
            document = self._document(url, answer, memory, now)
        except SourceError as error:
            one_pass.memories[url] = failed(
                memory, str(error), interval=interval, now=now, status=answer.status, headers=answer.headers
            )
            return
        if document is not None:
            feed, found, digest = document
            yield from self._items(url, feed, found, one_pass)
            memory = replace(
                validated(memory, answer.headers, digest=digest),
                ttl=int((LONGEST_PAUSE if feed.ended else feed.ttl or timedelta()).total_seconds()),
                seen=len(feed.entries),
                problems={problem.item: problem.error for problem in found.problems},
            )
        named = discover(
            answer.headers.get("link", ""), document[0] if document else None, address=answer.url, topic=memory.topic
        )
        if named is not None:
            memory = replace(memory, hubs=named[0], topic=named[1])
        moved_to = answer.permanent_url if answer.permanent_url != url else None
        if moved_to != memory.moved_to and moved_to:
            log.info("source %s: %s has moved for good to %s; name that in the configuration", self.name, url, moved_to)
        one_pass.memories[url] = answered(memory, answer.headers, interval=interval, moved_to=moved_to, now=now)

    def _document(
        self, url: str, answer: Fetched, memory: FeedMemory, now: datetime
    ) -> tuple[ReadFeed, FeedItems, str] | None:
        """What an answer holds; None for the document that is known already. Raises SourceError for all else."""
        if answer.status == HTTPStatus.NOT_MODIFIED and memory.conditions():
            return None
        if answer.status == HTTPStatus.GONE:
            raise SourceError(
                f"{url}: its server says that it is gone for good (410). It is asked no more; take it out of the "
                "configuration, or `syndicate poll` to try again"
            )
        if answer.status != HTTPStatus.OK:
            raise SourceError(f"{url}: its server answered {_spoken(answer.status)}")
        digest = hashlib.sha256(answer.body).hexdigest()[:32]
        if digest == memory.digest:
            return None
        feed = read_feed(
            answer.body,
            # Where it was found now: what is relative in it is relative to that (RFC 3986, section 5.1.3).
            address=answer.url,
            content_type=answer.headers.get("content-type", ""),
            now=now,
            titles=self.settings.titles,
        )
        found = items_of(feed, self.settings, self.ours, stamped=_mark(url), name=url)
        return feed, found, digest

    def _items(self, url: str, feed: ReadFeed, found: FeedItems, one_pass: _Pass) -> Iterator[list[SourceItem]]:
        """Give what is new or changed, except the entries that another feed of this source has already."""
        mark = _mark(url)
        for start in range(0, len(found.items), _PAGE):
            page = found.items[start : start + _PAGE]
            before = one_pass.known.some([item.item for item in page])
            changed = []
            for item in page:
                old = before.get(item.item, "")
                owner = one_pass.taken.get(item.item) or old.partition(":")[0]
                if owner != mark and self._asks(owner, one_pass):
                    continue
                one_pass.taken[item.item] = mark
                if old != item.stamp:
                    changed.append(item)
            if changed:
                yield changed
        if found.deleted:
            there = one_pass.known.some(sorted(found.deleted))
            one_pass.gone |= {item for item, stamp in there.items() if not self._others(stamp, mark, one_pass)}
        if (feed.complete or self.settings.keep == "window") and found.items:
            here = {item.item for item in found.items}
            one_pass.gone |= {
                item for item, stamp in one_pass.stamps().items() if stamp.startswith(f"{mark}:") and item not in here
            }

    def _others(self, stamp: str, mark: str, one_pass: _Pass) -> bool:
        owner = stamp.partition(":")[0]
        return owner != mark and self._asks(owner, one_pass)

    def _asks(self, mark: str, one_pass: _Pass) -> bool:
        """Whether the feed of this mark is one that this source still asks."""
        url = self._marks.get(mark)
        return url is not None and not one_pass.memories[url].gone

    def _problems(self, failing: Mapping[str, str | None], one_pass: _Pass) -> Iterator[list[SourceItem]]:
        """Give what is wrong with feeds as items with an error, and have those that are mended forgotten."""
        told = {item_name(url): error for url, error in failing.items() if error}
        for memory in one_pass.memories.values():
            told |= {item_name(item): error for item, error in memory.problems.items()}
        before = {item: stamp for item, stamp in one_pass.stamps().items() if item.startswith(("http://", "https://"))}
        one_pass.gone |= before.keys() - told.keys()
        items = [
            SourceItem(item=item, stamp=f"{_PROBLEM}:{hashlib.sha256(error.encode()).hexdigest()[:24]}", error=error)
            for item, error in told.items()
        ]
        changed = [item for item in items if before.get(item.item) != item.stamp]
        if changed:
            yield changed

    def _fingerprint(self) -> str:
        said = self.settings.model_dump_json(exclude={"poll_interval", "timeout", "websub"})
        return hashlib.sha256(f"{_READER} {said} {self.ours}".encode()).hexdigest()[:16]


def _mark(url: str) -> str:
    """What the stamps of a feed's items begin with."""
    return hashlib.sha256(url.encode()).hexdigest()[:10]


def _spoken(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
