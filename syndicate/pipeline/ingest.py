"""ingest: what is new, changed or gone in a source becomes articles, page by page, each page in its own transaction.

Readers (``io/``) find what changed, ``core/article`` says what it means, the store keeps it. A kill loses no page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.article.change import Change, ChangeKind, decide
from syndicate.core.article.identity import content_hash, tag_authority
from syndicate.core.article.normalise import ArticleDefaults, normalise, shifted
from syndicate.core.article.text import clean_line, cut_text
from syndicate.core.following import follows
from syndicate.errors import ArticleError, SourceError, UnknownNameError
from syndicate.io.sources import Known, Reading
from syndicate.model import ArticleContent, ItemProblem, PollResult, SourceItem
from syndicate.store import mirror, sources
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.following import want
from syndicate.store.sources import ItemRecord
from syndicate.store.subscribers import count_as_before

# Part of the recipe below: raise it when normalising changes what readers see, so that all articles are read anew.
_NORMALISER = 1
_MAX_ERROR = 500
_REMOVED_AT_ONCE = 500


class Source(Protocol):
    """Where articles come from. Readers know nothing of the store; they get what is known of their items."""

    @property
    def name(self) -> str:
        """The NAME of [source.NAME]."""

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        """Begin a reading. ``state`` is what the last complete one left in ``Reading.state``, at first ``{}``."""


def ingest(
    database: Database,
    source: Source,
    settings: Settings,
    now: datetime,
    *,
    progress: Callable[[int], None] | None = None,
) -> PollResult:
    """Poll one source and mirror its articles. ``progress`` gets the number of items taken so far, after each page.

    A broken item is a problem of the result and its article's last good version stays; a source that cannot be read at
    all is the result's ``error``, and everything stays. Raises StoreError when our own database fails; the next poll
    goes on there.
    """
    defaults = ArticleDefaults.of(settings.site, settings.source[source.name])
    taker = _Taker(database, source.name, defaults, tag_authority(settings.site), now)
    with database.write() as session:
        kept, taker.shift = sources.hold(session, source.name)
    recipe = _recipe(taker)
    changed_recipe = not isinstance(kept, dict) or kept.get("recipe") != recipe
    state = {} if changed_recipe else kept.get("reader", {})
    try:
        reading = source.read(_known(database, source.name, forget=changed_recipe), state, now)
        for page in reading.pages:
            taker.take(page, reading.removed or frozenset())
            if progress:
                progress(taker.taken)
    except SourceError as error:
        message = _error_text(error)
        with database.write() as session:
            sources.broken(session, source.name, error=message, now=now)
            problems = sources.problems_of(session, source.name)
        return taker.result(seen=0, problems=problems, error=message)
    taker.remove(reading.removed or frozenset())
    failure = _short(reading.error) if reading.error else None
    with database.write() as session:
        if taker.released:
            sources.retry_problems(session, source.name)
            reading.look_again()
        state = {"recipe": recipe, "reader": reading.state}
        if reading.topics is not None:
            want(session, source.name, reading.topics if follows(settings, source.name) else (), now)
        if failure:
            sources.broken(session, source.name, error=failure, now=now, state=state)
        else:
            sources.polled(session, source.name, state=state, now=now)
            if not kept:
                # The first reading of a source is its archive: for readers who wait for their first issue it was there
                # before them, so that issue looks back into it and no further.
                count_as_before(session, highest_seq(session))
        problems = sources.problems_of(session, source.name)
    return taker.result(seen=reading.seen, problems=problems, error=failure, warnings=reading.warnings)


def withdraw_source(database: Database, name: str, settings: Settings, now: datetime) -> int:
    """Withdraw all articles of a source that is no longer configured. Returns how many that were.

    Raises UnknownNameError for a source that is configured, or has no articles.
    """
    if name in settings.source:
        raise UnknownNameError(f"source {name!r} is configured; remove its section before its articles are withdrawn")
    with database.write() as session:
        left = sources.unconfigured(session, settings.source)
        if name not in left:
            known = ", ".join(left) or "none"
            raise UnknownNameError(
                f"no articles are left of a source {name!r} that is not configured; there is: {known}"
            )
        sources.start_over(session, name)
        return mirror.withdraw_all(session, name, now=now)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An item as read: the content it would give, or why it gives none."""

    item: SourceItem
    content: ArticleContent | None
    error: str | None = None


@dataclass
class _Taker:
    """Takes the pages of one reading and counts what became of them."""

    database: Database
    name: str
    defaults: ArticleDefaults
    authority: str
    now: datetime
    shift: timedelta = timedelta()
    taken: int = 0
    remarks: dict[str, list[str]] = field(default_factory=dict)  # by text: the items that gave cause
    released: bool = False  # a key lost its item: somebody whose claim was refused may have it now
    counts: dict[ChangeKind, int] = field(default_factory=dict)

    def take(self, page: Sequence[SourceItem], removed: frozenset[str]) -> None:
        """Write one page. If the database refuses a value, the articles are written one by one."""
        candidates = [self._prepare(item) for item in page]
        try:
            self._write(candidates, removed)
        except ArticleError:
            for candidate in candidates:
                try:
                    self._write([candidate], removed)
                except ArticleError as error:
                    self._write([replace(candidate, content=None, error=_error_text(error))], removed)
        self.taken += len(page)

    def remove(self, removed: frozenset[str]) -> None:
        """Withdraw the articles of items that are gone, unless another item has taken them over."""
        gone = sorted(removed)
        for start in range(0, len(gone), _REMOVED_AT_ONCE):
            part = gone[start : start + _REMOVED_AT_ONCE]
            with self.database.write() as session:
                sources.hold(session, self.name)
                keys = set(sources.keys_of(session, self.name, part).values())
                sources.forget(session, self.name, part)
                count = self._withdraw_orphans(session, keys)
            self._count(ChangeKind.WITHDRAWN, count)

    def result(
        self,
        *,
        seen: int,
        problems: tuple[ItemProblem, ...],
        error: str | None = None,
        warnings: Iterable[ItemProblem] = (),
    ) -> PollResult:
        counts = self.counts.get
        return PollResult(
            source=self.name,
            seen=seen,
            added=counts(ChangeKind.ADDED, 0),
            updated=sum(counts(kind, 0) for kind in (ChangeKind.EDITED, ChangeKind.TOUCHED, ChangeKind.RETURNED)),
            withdrawn=counts(ChangeKind.WITHDRAWN, 0),
            error=error,
            problems=problems,
            warnings=(*warnings, *self._warnings()),
        )

    def _warnings(self) -> Iterator[ItemProblem]:
        """Each remark once, however many items gave cause for it: a misspelt field is in all files of a template."""
        for remark, items in self.remarks.items():
            others = f" (and {len(items) - 1} more like it)" if len(items) > 1 else ""
            yield ItemProblem(item=items[0], error=_short(remark) + others)

    def _prepare(self, item: SourceItem) -> _Candidate:
        def remark(text: str) -> None:
            self.remarks.setdefault(text, []).append(item.item)

        try:
            return _Candidate(item, shifted(normalise(item, self.defaults, remark), self.shift))
        except ArticleError as error:
            return _Candidate(item, None, _error_text(error))

    def _write(self, candidates: Sequence[_Candidate], removed: frozenset[str]) -> None:
        changes, orphans = self.database.repeat(lambda session: self._put(session, candidates, removed))
        # Counted after the commit: a page that is written again, article by article, must not count twice.
        for change in changes:
            self._count(change.kind if change.before or not change.withdrawn_at else ChangeKind.WITHDRAWN, 1)
        self._count(ChangeKind.WITHDRAWN, orphans)

    def _put(
        self, session: Session, candidates: Sequence[_Candidate], removed: frozenset[str]
    ) -> tuple[list[Change], int]:
        sources.hold(session, self.name)
        before = sources.keys_of(session, self.name, [candidate.item.item for candidate in candidates])
        owners = sources.owners(session, self.name, {c.content.key for c in candidates if c.content})
        accepted, records = _settle(candidates, before, owners, removed)
        changes = self._decide(session, accepted)
        mirror.apply(session, self.name, changes, authority=self.authority, now=self.now)
        sources.record(session, self.name, records)
        left = {before[r.item] for r in records if r.key and before.get(r.item, r.key) != r.key}
        return changes, self._withdraw_orphans(session, left)

    def _decide(self, session: Session, contents: Iterable[ArticleContent]) -> list[Change]:
        hashed = {content.key: (content, content_hash(content)) for content in contents}
        known = mirror.mirrored(session, self.name, hashed)
        changes = []
        for key, (content, new_hash) in hashed.items():
            old = known.get(key)
            change = decide(
                old.article if old else None, old.content_hash if old else None, content, new_hash, self.now
            )
            if change is not None:
                changes.append(change)
        return changes

    def _withdraw_orphans(self, session: Session, keys: set[str]) -> int:
        if not keys:
            return 0
        self.released = True
        orphans = keys - sources.owners(session, self.name, keys).keys()
        return mirror.withdraw(session, self.name, orphans, now=self.now)

    def _count(self, kind: ChangeKind, count: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + count


def _settle(
    candidates: Sequence[_Candidate], before: dict[str, str], owners: dict[str, set[str]], removed: frozenset[str]
) -> tuple[list[ArticleContent], list[ItemRecord]]:
    """Give each key to one item: its present owner, unless that is gone or becomes another article; else the first."""
    leaving = {
        candidate.item.item
        for candidate in candidates
        if candidate.content and before.get(candidate.item.item, candidate.content.key) != candidate.content.key
    }
    claimed: dict[str, str] = {}
    for candidate in candidates:
        if candidate.content is None:
            continue
        staying = owners.get(candidate.content.key, set()) - removed - leaving
        # Two owners (one of them broken since): the first by name, so that every poll decides alike.
        owner = min(staying) if staying else candidate.item.item
        claimed.setdefault(candidate.content.key, owner)
    contents: list[ArticleContent] = []
    records: list[ItemRecord] = []
    for candidate in candidates:
        item, content, error = candidate.item, candidate.content, candidate.error
        if content is not None and claimed[content.key] != item.item:
            error = f'the id "{content.key}" is taken by {claimed[content.key]}; give one of them another id'
            content = None
        if content is not None:
            contents.append(content)
        records.append(
            ItemRecord(
                item=item.item, stamp=item.stamp, key=content.key if content else None, error=error and _short(error)
            )
        )
    return contents, records


def _known(database: Database, name: str, *, forget: bool) -> Known:
    """What the reader is told. After a change of recipe all stamps are empty: everything counts as changed."""

    def of(asked: Sequence[str] | None) -> dict[str, str]:
        with database.read() as session:
            found = sources.stamps(session, name, asked)
        return dict.fromkeys(found, "") if forget else found

    return Known(all=lambda: of(None), some=of)


def _recipe(taker: _Taker) -> str:
    """What besides the items themselves decides how articles look: a changed default reaches those already taken."""
    parts = (_NORMALISER, taker.defaults, taker.shift)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _error_text(error: Exception) -> str:
    return _short(str(error))


def _short(text: str) -> str:
    return cut_text(clean_line(text), _MAX_ERROR)
