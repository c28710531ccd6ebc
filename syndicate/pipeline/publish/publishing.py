"""One run of publish: find what there is to do, build it under the folder's lock, record it, tell who must know."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.article.identity import tag_authority, tag_uri
from syndicate.core.feeds.slugs import free_slug
from syndicate.errors import DiskFullError, FeedError, StoreError, SyndicateError
from syndicate.io.files import free_bytes, locked_folder
from syndicate.model import FeedFormat
from syndicate.pipeline.publish.building import Builder, Built
from syndicate.pipeline.publish.feed_list import PATH as FEED_LIST
from syndicate.pipeline.publish.feed_list import place_feed_list
from syndicate.pipeline.publish.files import stands
from syndicate.pipeline.publish.removing import remove_strays, take_away
from syndicate.pipeline.publish.results import FeedResult
from syndicate.pipeline.publish.standing import Standing, look
from syndicate.pipeline.publish.touched import Work
from syndicate.pipeline.publish.wanted import PublicFeed, address, chosen_feeds, public_feeds
from syndicate.store.engine import Database
from syndicate.store.feed_entries import replace_window, watch
from syndicate.store.feeds import (
    DocumentRecord,
    FeedRecord,
    count_documents,
    create_feeds,
    documents_of,
    feeds_below,
    living_feeds,
    raise_generation,
    record_considered,
    record_documents,
    record_failed,
    record_feed,
    record_moved,
    recorded_bases,
    recorded_feeds,
    settle_uid,
)
from syndicate.store.websub import owe_pings

log = logging.getLogger(__name__)

# So many feeds are recorded in one transaction: what a kill in the middle costs is building them again.
_TOGETHER = 50


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run with what it has done so far."""

    database: Database
    settings: Settings
    now: datetime
    builder: Builder
    waiting: list[Built] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    built: dict[str, Built] = field(default_factory=dict)
    new_list: bool = False


def publish(
    database: Database,
    settings: Settings,
    now: datetime,
    names: Sequence[str] | None = None,
    *,
    verify: bool = True,
) -> list[FeedResult]:
    """Build the feeds that changed articles touch (of ``names`` and below, default all) and write the changed files.

    Safe to call at any time, by several processes, and after a kill at any moment. A feed that fails is a result with
    an error and stops no other. With ``verify`` every file is looked at; without, those of the configured feeds only
    (a tick each second must not look at 10,000). Raises UnknownNameError for a name that is not configured, StoreError
    for the database.
    """
    wanted = chosen_feeds(settings, names)
    standing = look(database, settings, wanted, now, everything=names is None, verify=verify)
    builder = Builder(database=database, settings=settings, now=now)
    run = _Run(database=database, settings=settings, now=now, builder=builder)
    if not standing.idle:
        standing = _work(run, wanted, standing, now, everything=names is None, verify=verify)
    return _results(run, wanted, standing)


def _work(
    run: _Run, wanted: Mapping[str, PublicFeed], standing: Standing, now: datetime, *, everything: bool, verify: bool
) -> Standing:
    settings = run.settings
    due = [name for name, work in standing.work.items() if not work.empty]
    try:
        with locked_folder(settings.feeds_path) as waited:
            if waited:  # another process may have built them
                standing = look(run.database, settings, wanted, now, everything=everything, verify=verify)
            _take_down(run, standing)
            due = [name for name, work in standing.work.items() if not work.empty]
            if due:
                _require_room(settings)
            for name in due:
                _build_all(run, standing, standing.wanted[name], standing.work[name])
            if verify and everything:
                remove_strays(run.database, settings)
            _write_list(run, standing)
    except (DiskFullError, FeedError) as error:
        # The folder or the disk as a whole: every feed that waits for it has the same trouble.
        _record(run)
        for name in due:
            if name not in run.built and name not in run.errors:
                row = standing.bases.get(name) or FeedRecord(name=name, base=name, built_at=now)
                _fail(run, row, error)
    return standing


def _build_all(run: _Run, standing: Standing, wanted: PublicFeed, work: Work) -> None:
    """Build a configured feed's share: itself first, then those below it."""
    fresh = _create(run, work)
    if work.refused:
        log.warning(
            "feed %s: %d terms got no feed of their own: there are %d already ([feed.%s] per_max)",
            wanted.name,
            work.refused,
            wanted.feed.per_max,
            wanted.name,
        )
    base = standing.bases.get(wanted.name) or FeedRecord(name=wanted.name, base=wanted.name, built_at=run.now)
    if base.uid is None:
        base = replace(base, uid=_settle_uid(run, base))
    wanted = replace(wanted, uid=base.uid)
    names = work.names | {row.name for row in fresh}
    order = [wanted.name] * (wanted.name in names) + sorted(names - {wanted.name})
    run.new_list = run.new_list or work.everything or bool(fresh)
    for start in range(0, len(order), _TOGETHER):
        _record(run)
        chunk = order[start : start + _TOGETHER]
        rows, files = _recorded(run, standing, base, chunk)
        for name in chunk:
            row = rows[name]
            first = work.everything or row.error is not None or row.revision < 0
            _build(
                run,
                wanted,
                row,
                files.get(name, {}),
                None if first else work.changed,
                work.revision,
                standing.amiss.get(name, set()),
            )
    if work.gone:
        _take_away(run, work.gone)
    _record(run, None if wanted.name in run.errors else wanted, work.revision)


def _recorded(
    run: _Run, standing: Standing, base: FeedRecord, names: Sequence[str]
) -> tuple[dict[str, FeedRecord], dict[str, dict[str, DocumentRecord]]]:
    """The rows and files of a configured feed and of feeds below it; what is known of the first is not asked again."""
    others = [name for name in names if name != base.name]
    rows, files = {base.name: base}, {base.name: standing.files.get(base.name, {})}
    if others:
        with run.database.read() as session:
            rows |= recorded_feeds(session, others)
            files |= documents_of(session, others)
    return rows, files


def _settle_uid(run: _Run, base: FeedRecord) -> str:
    """The permanent id of a feed, made at its first publication: neither a new name nor a new address changes it."""
    site, name = run.settings.site, base.name
    uid = tag_uri(tag_authority(site), run.now.date(), "feeds", name)
    if base.revision >= 0:  # published before ids were kept: then its address was its id, and so it stays
        uid = f"{address(run.settings, name)}/{FeedFormat.ATOM.file_name}"
    with run.database.write() as session:
        return settle_uid(session, base, uid)


def _create(run: _Run, work: Work) -> list[FeedRecord]:
    if not work.fresh:
        return []

    def named(record: FeedRecord, taken: set[str]) -> str:
        folder = f"{record.base}/{record.kind}/"
        return folder + free_slug(record.label, _Below(folder, taken))

    with run.database.write() as session:
        return create_feeds(session, work.fresh, named)


class _Below:
    """The slugs that are taken in a folder."""

    def __init__(self, folder: str, taken: set[str]) -> None:
        self.folder = folder
        self.taken = taken

    def __contains__(self, slug: object) -> bool:
        return f"{self.folder}{slug}" in self.taken


def _build(
    run: _Run,
    wanted: PublicFeed,
    row: FeedRecord,
    files: Mapping[str, DocumentRecord],
    changed: Sequence[int] | None,
    revision: int,
    amiss: set[int],
) -> None:
    built = run.builder.begin(wanted, row, revision)
    run.waiting.append(built)
    try:
        run.builder.build(wanted, built, files, changed=changed, amiss=amiss)
    except StoreError:
        raise
    except SyndicateError as error:
        built.error = error
    except Exception as error:  # a fault of ours in one feed must not stop the others
        log.exception("feed %s could not be built", row.name)
        built.error = error
    run.built[row.name] = built
    run.changed[wanted.name] = run.changed.get(wanted.name, 0) + built.changed
    run.new_list = run.new_list or row.title != built.feed.title or row.gone_at is not None or row.revision < 0
    if built.error:
        run.errors[row.name] = _reason(built.error)


def _record(run: _Run, done: PublicFeed | None = None, revision: int = 0) -> None:
    """Write down what was built, with all that must be true at the same moment: pings owed, the generation.

    ``done`` is a configured feed that is up to date with the articles of ``revision``, and all below it.
    """
    waiting, run.waiting = run.waiting, []
    if not waiting and done is None:
        return
    with run.database.write() as session:
        for built in waiting:
            feed, documents = built.feed, [placed.record for placed in built.placed]
            if built.error:
                record_failed(session, feed, _reason(built.error))
                record_documents(session, documents)
                continue
            record_feed(session, feed, written=documents, removed=built.removed)
            if built.archived:
                watch(session, feed.name, built.watched)
            else:
                replace_window(session, feed.name, built.before, built.held, built.watched)
        topics = [
            address(run.settings, placed.record.path)
            for built in waiting
            for placed in built.placed
            if placed.touched and "/archive/" not in placed.record.path
        ]
        if topics:
            owe_pings(session, topics, run.now)
        if any(built.touched for built in waiting):
            raise_generation(session)
        if done is not None:
            record_considered(session, done.name, revision=revision, settings_hash=done.settings_hash, now=run.now)


def _fail(run: _Run, row: FeedRecord, error: Exception) -> None:
    reason = _reason(error)
    run.errors[row.name] = reason
    if row.error != reason:  # the same trouble every minute is one row
        with run.database.write() as session:
            record_failed(session, row, reason)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SyndicateError) else f"{type(error).__name__}: {error}"


def _take_down(run: _Run, standing: Standing) -> None:
    """Feeds that are configured no more: the files we recorded go, the rows stay and say so."""
    for name in standing.gone:
        with run.database.read() as session:
            below = feeds_below(session, name)
        try:
            _take_away(run, [name, *(other for other, row in below.items() if row.gone_at is None)])
        except FeedError as error:
            _fail(run, standing.bases[name], error)
    if standing.moved:
        with run.database.write() as session:
            for old, new in standing.moved.items():
                record_moved(session, old, new, run.now)
            raise_generation(session)
            standing.bases = recorded_bases(session)


def _take_away(run: _Run, names: Sequence[str]) -> None:
    take_away(run.database, run.settings, names, run.now)
    run.new_list = True


def _write_list(run: _Run, standing: Standing) -> None:
    before = standing.files.get("", {}).get(FEED_LIST)
    if before is not None and not run.new_list and stands(run.settings.feeds_path, before):
        return
    with run.database.read() as session:
        living = living_feeds(session)
    placed = place_feed_list(run.settings, public_feeds(run.settings), living, before, run.now)
    if placed.touched:
        with run.database.write() as session:
            record_documents(session, [placed.record])
            raise_generation(session)


def _require_room(settings: Settings) -> None:
    wanted = settings.service.min_free_disk
    if free_bytes(settings.feeds_path) < wanted:
        raise DiskFullError(
            f"{settings.feeds_path}: less than {wanted / 10**6:g} MB are free on its disk ([service] min_free_disk); "
            "no feed is built until there is room. What is published stays"
        )


def _results(run: _Run, wanted: Mapping[str, PublicFeed], standing: Standing) -> list[FeedResult]:
    with run.database.read() as session:
        counts = count_documents(session)
    results = []
    for name in wanted:
        built = run.built.get(name)
        row = standing.bases.get(name) if built is None or built.error else built.feed
        results.append(
            FeedResult(
                feed=name,
                documents=counts.get(name, 0),
                changed=run.changed.get(name, 0),
                entries=row.entries if row else 0,
                error=run.errors.get(name),
                problems=built.problems if built else (),
            )
        )
    results += [FeedResult(feed=name, error=error) for name, error in run.errors.items() if name not in wanted]
    return results
