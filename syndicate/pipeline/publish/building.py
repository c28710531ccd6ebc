"""Building one feed: its window, the pages of its archive, and their files; recording it is ``publishing.py``'s."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from syndicate.config import Settings
from syndicate.core.feeds import FeedDocument, Tombstone, document_at, feed_folder
from syndicate.core.feeds.judging import write_and_judge
from syndicate.core.feeds.rules import Severity
from syndicate.core.feeds.window import all_of, fit, in_window, most_items
from syndicate.errors import FeedError
from syndicate.io.files import remove_file
from syndicate.model import Article, FeedFormat, ItemProblem
from syndicate.pipeline.publish.archive import file_away, pages_on_disk
from syndicate.pipeline.publish.files import Placed, place
from syndicate.pipeline.publish.issues import issues_document
from syndicate.pipeline.publish.wanted import PublicFeed, address
from syndicate.store.articles import Term, by_ids
from syndicate.store.engine import Database
from syndicate.store.feed_entries import page_ids, visible_ids, waiting_ids, window_entries, window_ids, withdrawn_ids
from syndicate.store.feeds import DocumentRecord, FeedRecord

ARCHIVE = "archive"
_TOLD = 3


class InvalidFeedError(FeedError):
    """A document that breaks a rule of its format: it must not reach a reader."""


@dataclass(slots=True, kw_only=True)
class Built:
    """What became of one feed: its new row, the documents looked at, the files removed, what it holds and watches."""

    feed: FeedRecord
    archived: bool = False
    judged: frozenset[str] = frozenset()  # entries that were published as they are
    before: Mapping[int, int | None] = field(default_factory=dict)  # what it held and watched
    held: list[int] = field(default_factory=list)
    watched: list[int] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: tuple[ItemProblem, ...] = ()
    error: Exception | None = None

    @property
    def changed(self) -> int:
        """How many files were written or removed (a file and its twins are one)."""
        return sum(placed.written for placed in self.placed) + len(self.removed)

    @property
    def touched(self) -> bool:
        return bool(self.removed) or any(placed.touched for placed in self.placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """What all feeds of a run share."""

    database: Database
    settings: Settings
    now: datetime

    @property
    def root(self) -> Path:
        return self.settings.feeds_path

    def begin(self, wanted: PublicFeed, row: FeedRecord, revision: int) -> Built:
        """The new row of a feed before anything was built."""
        title = wanted.title_of(row.kind, row.label) if row.kind else wanted.title
        feed = replace(row, title=title, error=None, gone_at=None, moved_to=None)
        if row.kind:  # a configured feed's speaks for all below it, and moves when they are done
            feed = replace(feed, revision=revision, built_at=self.now, settings_hash=wanted.settings_hash)
        return Built(feed=feed, archived=wanted.feed.archive)

    def build(
        self,
        wanted: PublicFeed,
        built: Built,
        known: Mapping[str, DocumentRecord],
        *,
        changed: Sequence[int] | None,
        amiss: Collection[int] = (),
    ) -> None:
        """Bring one feed's files up to date. ``changed`` are the articles that changed since (None: all may have).

        ``amiss`` are pages of the archive whose files are not as recorded. A document that no reader should get is an
        error of the result; others are raised, and ``built`` says what was in place before.
        """
        for document in self._documents(wanted, built, known, changed, amiss):
            try:
                self._place(document, wanted, known, built)
            except InvalidFeedError as error:  # this document stays as it was; the others of the feed go on
                built.error = built.error or error
        if built.error:
            return
        kept = {placed.record.path for placed in built.placed} | self._untouched_pages(wanted, built, known)
        for path in sorted(known.keys() - kept):
            remove_file(self.root / path, below=self.root)
            built.removed.append(path)

    def _documents(
        self,
        wanted: PublicFeed,
        built: Built,
        known: Mapping[str, DocumentRecord],
        changed: Sequence[int] | None,
        amiss: Collection[int],
    ) -> Iterator[FeedDocument]:
        name = built.feed.name
        feed_folder(built.feed.base)
        if wanted.digest is not None:
            document = replace(issues_document(self.database, self.settings, wanted, self.now), uid=wanted.uid)
            built.feed = replace(built.feed, entries=len(document.entries))
            yield document
            return
        pages: list[int] = []
        if wanted.feed.archive:
            last, pages = file_away(
                self.database, self.settings, wanted, built.feed, known, changed=changed, now=self.now, amiss=amiss
            )
            built.feed = replace(built.feed, pages=last)
        else:
            built.feed = replace(built.feed, pages=0)
        for page in pages:  # before the window, which links to the newest
            yield self._page(wanted, name, built.feed.of, page, built.feed.pages, built.feed.title)
        yield self._window(wanted, built, changed)

    def _window(self, wanted: PublicFeed, built: Built, changed: Sequence[int] | None) -> FeedDocument:
        feed, of, name = wanted.feed, built.feed.of, built.feed.name
        limit = most_items(feed.max_items, feed.max_age) + 1
        with self.database.read() as session:
            found = window_ids(session, feed, of, limit=limit, now=self.now)
            count, due_at = in_window(
                [time for _, time in found], self.now, max_items=feed.max_items, max_age=feed.max_age
            )
            more = len(found) > count
            ids = [id_ for id_, _ in found[:count]]
            # What no page of the archive holds yet must be here, or it would be nowhere (RFC 5005, section 4).
            waiting = waiting_ids(session, name) if feed.archive else []
            articles = by_ids(session, {*ids, *waiting})
            built.before = window_entries(session, name)
            oldest = found[count - 1][1] if more and count else None
            gone = by_ids(session, withdrawn_ids(session, feed, of, since=oldest, limit=feed.max_items))
        # What an archived feed takes it holds already, on a page or not: the new ones came in a moment ago.
        held = articles if feed.archive else {id_ for id_, page in built.before.items() if page is None}
        seen = () if changed is None else (articles.keys() & held) - set(changed)
        document, problems = self._document(wanted, built.feed, articles.values(), path=name, again=True)
        kept = fit(document.entries, feed.max_size)
        by_uid = {article.uid: article for article in articles.values()}
        if feed.archive and len(kept) < len(document.entries):
            here = {entry.id for entry in kept}
            must = {articles[id_].uid for id_ in waiting} - here
            kept += all_of([entry for entry in document.entries if entry.id in must], feed.max_size)
        watched = list(gone)
        if len(kept) < len(document.entries):
            more = True
            oldest = by_uid[kept[-1].id].published_at
            # The first one that did not fit: if it becomes shorter it does.
            watched.append(by_uid[document.entries[len(kept)].id].id)
        built.judged = frozenset(articles[id_].uid for id_ in seen)
        built.held, built.watched, built.problems = [*ids, *waiting], watched, problems
        built.feed = replace(built.feed, entries=len(kept), oldest_at=oldest, due_at=due_at)
        pages = built.feed.pages
        return replace(
            document,
            entries=kept,
            complete=not more and not pages,
            prev_archive=self._page_address(name, pages) if pages else None,
            tombstones=_tombstones(gone.values()),
        )

    def _page(self, wanted: PublicFeed, name: str, of: Term | None, page: int, last: int, title: str) -> FeedDocument:
        with self.database.read() as session:
            ids = page_ids(session, name, page)
            articles = by_ids(session, visible_ids(session, ids, wanted.feed, of, self.now))
        row = FeedRecord(name=name, base=wanted.name, title=title, built_at=self.now)
        document, _ = self._document(wanted, row, articles.values(), path=f"{name}/{ARCHIVE}/{page}")
        return replace(
            document,
            entries=all_of(document.entries, wanted.feed.max_size),
            archive=True,
            current=address(self.settings, name),
            prev_archive=self._page_address(name, page - 1) if page > 1 else None,
            next_archive=self._page_address(name, page + 1) if page < last else None,
        )

    def _document(
        self, wanted: PublicFeed, row: FeedRecord, articles: Iterable[Article], *, path: str, again: bool = False
    ) -> tuple[FeedDocument, tuple[ItemProblem, ...]]:
        language = row.term if row.kind == "language" else None
        document, problems = document_at(
            self.settings, wanted.feed, articles, path=path, title=row.title, language=language, again=again
        )
        uid = wanted.uid_of(row.name)
        return replace(document, base=address(self.settings, path), hubs=wanted.hubs, uid=uid), problems

    def _place(
        self, document: FeedDocument, wanted: PublicFeed, known: Mapping[str, DocumentRecord], built: Built
    ) -> None:
        # All formats are built and checked before the first is written: otherwise they would not agree.
        judged = frozenset() if document.archive else built.judged
        for form, data in checked(document, wanted.feed.formats, judged).items():
            record = DocumentRecord(
                path=f"{document.path}/{form.file_name}",
                feed=built.feed.name,
                format=form.value,
                content_hash="",
                size=len(data),
                entries=len(document.entries),
                changed_at=self.now,
            )
            built.placed.append(place(self.root, record, data, known.get(record.path), self.now))

    def _untouched_pages(self, wanted: PublicFeed, built: Built, known: Mapping[str, DocumentRecord]) -> set[str]:
        """The files of archive pages that nothing changed: they stay, unless a format or the archive went."""
        if not wanted.feed.archive:
            return set()
        names = {form.file_name for form in wanted.feed.formats}
        pages = pages_on_disk(built.feed.name, known)
        return {path for path, page in pages.items() if page <= built.feed.pages and path.rpartition("/")[2] in names}

    def _page_address(self, name: str, page: int) -> str:
        return address(self.settings, f"{name}/{ARCHIVE}/{page}")


def checked(document: FeedDocument, formats: Iterable[FeedFormat], judged: Collection[str]) -> dict[FeedFormat, bytes]:
    """A document's bytes. Raises InvalidFeedError for one that readers would stumble over: it must not be published."""
    contents, found = write_and_judge(document, formats, judged)
    for form, findings in found.items():
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        if errors:
            told = "; ".join(str(finding) for finding in errors[:_TOLD])
            raise InvalidFeedError(
                f"{document.path}/{form.file_name} is not published, its last good version stays: {told}"
                + (f" and {len(errors) - _TOLD} more" if len(errors) > _TOLD else "")
            )
    return contents


def _tombstones(articles: Iterable[Article]) -> tuple[Tombstone, ...]:
    return tuple(
        Tombstone(id=article.uid, when=article.withdrawn_at.replace(microsecond=0))
        for article in articles
        if article.withdrawn_at is not None
    )
