"""What publish finds before it does anything: what is recorded, what is configured, what there is to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from syndicate.config import Settings
from syndicate.pipeline.publish.archive import page_of
from syndicate.pipeline.publish.files import stands
from syndicate.pipeline.publish.issues import with_issues
from syndicate.pipeline.publish.touched import Work, find_all_work
from syndicate.pipeline.publish.wanted import PublicFeed, public_feeds
from syndicate.store.articles import highest_revision
from syndicate.store.engine import Database
from syndicate.store.feeds import DocumentRecord, FeedRecord, documents_below, documents_of, recorded_bases


@dataclass(slots=True, kw_only=True)
class Standing:
    """All that was found: what is recorded of what was configured, what there is to do, what is configured no more."""

    bases: dict[str, FeedRecord]
    wanted: dict[str, PublicFeed]
    work: dict[str, Work]
    files: dict[str, dict[str, DocumentRecord]]
    amiss: dict[str, set[int]]
    gone: list[str]
    moved: dict[str, str]

    @property
    def idle(self) -> bool:
        return not (self.gone or self.moved or any(not work.empty for work in self.work.values()))


def look(
    database: Database,
    settings: Settings,
    wanted: Mapping[str, PublicFeed],
    now: datetime,
    *,
    everything: bool,
    verify: bool,
) -> Standing:
    """Look at the database and at the files. ``verify`` and ``everything`` are those of ``publish``."""
    root = settings.feeds_path
    with database.read() as session:
        revision = highest_revision(session)
        bases = recorded_bases(session)
        wanted = {name: with_issues(session, feed) if feed.digest else feed for name, feed in wanted.items()}
        work = find_all_work(session, wanted, bases, revision=revision, now=now)
        files = documents_of(session, [*wanted, ""])
        looked = [name for name in wanted if verify or not _stand(root, files.get(name, {}).values())]
        # One that is amiss may not be the only one: a copied folder, another machine.
        all_files = documents_below(session, looked) if looked else {}
    amiss: dict[str, set[int]] = {}
    for name, documents in all_files.items():
        for record in documents:
            if not stands(root, record):
                work[name].names.add(record.feed)
                page = page_of(record.feed, record.path)
                amiss.setdefault(record.feed, set()).update({page} if page else ())
    known = public_feeds(settings) if everything else {}
    gone = [name for name, row in bases.items() if everything and name not in known and row.gone_at is None]
    moved = {
        old: name
        for name, feed in (settings.feed.items() if everything else ())
        for old in feed.renamed_from
        if old not in settings.feed and (old not in bases or bases[old].moved_to != name)
    }
    return Standing(bases=bases, wanted=wanted, work=work, files=files, amiss=amiss, gone=gone, moved=moved)


def _stand(root: Path, documents: Iterable[DocumentRecord]) -> bool:
    return all(stands(root, record) for record in documents)
