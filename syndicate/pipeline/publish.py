"""Publish: brings the feed documents under ``feeds/`` up to what the articles and the settings say.

What a document says is decided in ``core/feeds``; here is decided only which feeds to build and which files to write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from syndicate import __version__
from syndicate.config import Settings
from syndicate.config.sections import Feed
from syndicate.core.feeds import WRITERS, FeedDocument, feed_document, feed_title
from syndicate.errors import DiskFullError, FeedError, StoreError, SyndicateError
from syndicate.io.files import file_size, free_bytes, holds, locked_folder, remove_file, replace_file
from syndicate.model import ItemProblem
from syndicate.store.articles import highest_revision, newest
from syndicate.store.columns import canonical_json
from syndicate.store.engine import Database
from syndicate.store.feeds import (
    DocumentRecord,
    FeedRecord,
    any_expired,
    forget,
    record_built,
    record_failed,
    recorded_feeds,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedResult:
    """What one run did for one feed: how many documents it has, and how many files were written or removed.

    ``error`` says why it could not be built; its last good files stand. ``problems`` are the articles left out of it.
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


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands of all feeds, which of the wanted ones may have changed, and which are configured no more."""

    known: dict[str, FeedRecord]
    due: frozenset[str]
    gone: frozenset[str]


def publish(
    database: Database, settings: Settings, now: datetime, names: Sequence[str] | None = None
) -> list[FeedResult]:
    """Build the feeds that may have changed (of ``names``, default all) and write the files whose bytes changed.

    Safe to call at any time, by several processes, and after a kill at any moment. A feed that fails is a result with
    an error and stops no other. Raises UnknownNameError for a name that is not configured, StoreError for the database.
    """
    wanted = tuple(settings.feed) if names is None else tuple(dict.fromkeys(names))
    for name in wanted:
        settings.named_feed(name)
    standing = _standing(database, settings, wanted, now, remove=names is None)
    if not standing.due and not standing.gone:
        return [_unchanged(name, standing.known[name]) for name in wanted]
    results: dict[str, FeedResult] = {}
    try:
        with locked_folder(settings.feeds_path):
            # Another process may have built them while this one waited for the folder.
            standing = _standing(database, settings, wanted, now, remove=names is None)
            for name in sorted(standing.gone):
                results[name] = _remove(database, settings.feeds_path, standing.known[name], now)
            if standing.due:
                _require_room(settings)
            for name in wanted:
                if name in standing.due:
                    results[name] = _publish_one(database, settings, name, standing.known.get(name), now)
    except (DiskFullError, FeedError) as error:
        # The folder or the disk as a whole: every feed that waits for it has the same trouble.
        for name in standing.due - results.keys():
            results[name] = _failed(database, name, standing.known.get(name), error, now)
    failures = [result for name, result in results.items() if name not in wanted and result.error]
    return [results.get(name) or _unchanged(name, standing.known[name]) for name in wanted] + failures


def _standing(
    database: Database, settings: Settings, wanted: Sequence[str], now: datetime, *, remove: bool
) -> _Standing:
    with database.read() as session:
        known = recorded_feeds(session)
        revision = highest_revision(session)
        # Feeds built in one run share their time, so this asks once.
        expired = cache(lambda since: any_expired(session, since, now))
        due = frozenset(name for name in wanted if _is_due(settings, name, known.get(name), revision, expired))
    gone = frozenset(known) - frozenset(settings.feed) if remove else frozenset[str]()
    return _Standing(known, due, gone)


def _is_due(
    settings: Settings, name: str, known: FeedRecord | None, revision: int, expired: Callable[[datetime], bool]
) -> bool:
    if known is None or known.error or known.settings_hash != _settings_hash(settings, name):
        return True
    if known.revision != revision:  # lower after a restore from a backup
        return True
    if any(file_size(settings.feeds_path / path) != record.size for path, record in known.documents.items()):
        return True
    return expired(known.built_at)


def _settings_hash(settings: Settings, name: str) -> str:
    """What a feed's documents depend on besides the articles. The version stands for the writers."""
    parts = {
        "feed": settings.named_feed(name).model_dump(mode="json"),
        "site": settings.site.model_dump(mode="json"),
        "title": feed_title(settings, name),
        "public_url": settings.service.public_url,
        "version": __version__,
    }
    return sha256(canonical_json(parts).encode()).hexdigest()


def _require_room(settings: Settings) -> None:
    wanted = settings.service.min_free_disk
    if free_bytes(settings.feeds_path) < wanted:
        raise DiskFullError(
            f"{settings.feeds_path}: less than {wanted / 10**6:g} MB are free on its disk ([service] min_free_disk); "
            "no feed is built until there is room. What is published stays"
        )


def _publish_one(
    database: Database, settings: Settings, name: str, known: FeedRecord | None, now: datetime
) -> FeedResult:
    feed = settings.named_feed(name)
    written: dict[str, DocumentRecord] = {}
    changed = 0
    try:
        with database.read() as session:
            revision = highest_revision(session)
            articles = newest(session, feed, limit=feed.max_items, now=now)
        document, problems = feed_document(settings, name, articles)
        for record, wrote in _write(settings.feeds_path, feed, document, known, now):
            written[record.path] = record
            changed += wrote
        for path in sorted((known.documents if known else {}).keys() - written.keys()):
            remove_file(settings.feeds_path / path)
            changed += 1
    except StoreError:
        raise
    except SyndicateError as error:
        return _failed(database, name, known, error, now, written=written.values(), changed=changed)
    except Exception as error:  # a fault of ours in one feed must not stop the others
        log.exception("feed %s could not be built", name)
        return _failed(database, name, known, error, now, written=written.values(), changed=changed)
    built = FeedRecord(
        name=name,
        revision=revision,
        settings_hash=_settings_hash(settings, name),
        entries=len(document.entries),
        built_at=now,
        error=None,
        documents=written,
    )
    with database.write() as session:
        record_built(session, built)
    return FeedResult(
        feed=name, documents=len(written), changed=changed, entries=len(document.entries), problems=problems
    )


def _write(
    root: Path, feed: Feed, document: FeedDocument, known: FeedRecord | None, now: datetime
) -> Iterator[tuple[DocumentRecord, bool]]:
    """Put each document in place; yields its record and whether its file had to be written."""
    # All formats are built before the first is written: what cannot be built leaves the formats as they agree.
    contents = [(form, WRITERS[form](document)) for form in feed.formats]
    for form, data in contents:
        path = f"{document.path}/{form.file_name}"
        digest = sha256(data).hexdigest()
        # The file itself is asked, not the record: a kill between the two leaves them apart.
        wrote = not holds(root / path, data)
        if wrote:
            replace_file(root / path, data)
        before = known.documents.get(path) if known else None
        record = DocumentRecord(
            path=path,
            format=form,
            content_hash=digest,
            size=len(data),
            entries=len(document.entries),
            changed_at=before.changed_at if before and before.content_hash == digest else now,
        )
        yield record, wrote


def _remove(database: Database, root: Path, known: FeedRecord, now: datetime) -> FeedResult:
    """Take down a feed that is configured no more: the files we recorded, nothing else."""
    try:
        for path in known.documents:
            remove_file(root / path)
    except SyndicateError as error:
        return _failed(database, known.name, known, error, now)
    with database.write() as session:
        forget(session, known.name)
    return FeedResult(feed=known.name, changed=len(known.documents))


def _failed(
    database: Database,
    name: str,
    known: FeedRecord | None,
    error: Exception,
    now: datetime,
    *,
    written: Iterable[DocumentRecord] = (),
    changed: int = 0,
) -> FeedResult:
    reason = str(error) if isinstance(error, SyndicateError) else f"{type(error).__name__}: {error}"
    written = tuple(written)
    if written or known is None or known.error != reason:  # the same trouble every minute is one row
        with database.write() as session:
            record_failed(session, name, reason, now=now, documents=written)
    return FeedResult(
        feed=name,
        documents=len(known.documents) if known else 0,
        changed=changed,
        entries=known.entries if known else 0,
        error=reason,
    )


def _unchanged(name: str, known: FeedRecord) -> FeedResult:
    return FeedResult(feed=name, documents=len(known.documents), entries=known.entries)
