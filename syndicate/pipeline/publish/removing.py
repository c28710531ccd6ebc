"""Takes files away: those of feeds that are there no more, and those of ours that are on no record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from syndicate.config import Settings
from syndicate.io.files import TWINS, files_named, remove_file
from syndicate.model import FeedFormat
from syndicate.store.engine import Database
from syndicate.store.feeds import documents_below, documents_of, raise_generation, record_gone, recorded_bases


def take_away(database: Database, settings: Settings, names: Sequence[str], now: datetime) -> None:
    """Remove the files of feeds and mark the feeds gone. Raises FeedError for a file that cannot be removed."""
    root = settings.feeds_path
    with database.read() as session:
        files = documents_of(session, names)
    for documents in files.values():
        for path in documents:
            remove_file(root / path, below=root)
    with database.write() as session:
        record_gone(session, names, now)
        raise_generation(session)


def remove_strays(database: Database, settings: Settings) -> None:
    """Files of ours that are on no record: of a run that was killed and whose feed is configured no more, say.

    Ours are those with our names in the folder of a feed that we know; all others are the operator's own.
    """
    root = settings.feeds_path
    names = {form.file_name for form in FeedFormat}
    names |= {f"{name}{suffix}" for name in names for suffix in TWINS}
    with database.read() as session:
        bases = recorded_bases(session)
        recorded = documents_below(session, list(bases))
    known = {root / record.path for documents in recorded.values() for record in documents}
    for name in bases:
        for path in files_named(root / name, names):
            if path not in known and path.with_suffix("") not in known:
                remove_file(path, below=root)
