"""Import subscribers from CSV: ten thousand lines a transaction, flat memory, one bad line stops nothing.

Killed in the middle, it is run again: what was stored is found there, and nobody is asked or added twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from syndicate.config import Settings
from syndicate.core.subscriber_lines import Header, LineReader, Record, SubscriberLine, read_header, records
from syndicate.errors import AddressError, UsageError
from syndicate.model import Keyring
from syndicate.pipeline.members.import_chunk import Imported, ImportRules, store_lines
from syndicate.store.engine import Database

# A transaction touches most pages of the index of hashes, which are in no order, whether it has 1,000 lines or 10,000;
# it holds the write lock for about half a second.
CHUNK = 10_000


class _Read(NamedTuple):
    """Some lines of a file, and what is wrong with others, by their numbers; ``records`` in all."""

    lines: list[SubscriberLine]
    problems: list[tuple[int, str]]
    records: int


def import_subscribers(
    database: Database,
    settings: Settings,
    keyring: Keyring,
    lines: Iterable[bytes],
    rules: ImportRules,
    *,
    now: datetime,
    report: Callable[[int, str], None],
    progress: Callable[[int], None] = lambda _count: None,
) -> Imported:
    """Read the lines of a CSV file, header first. ``report`` gets each bad line's number and what is wrong with it.

    A dry run counts and reports the same and stores nothing; a line that repeats one of more than ``CHUNK`` lines
    before counts as unchanged. Raises UsageError for a file without usable header, UnknownNameError for
    ``rules.digest``.
    """
    found = records(lines)
    header = read_header(next(found, None))
    result = Imported(unused=header.unused)
    reader = LineReader(header, settings.digest, _default_digest(settings, rules, header))
    begin = database.read if rules.dry_run else database.write
    seen: set[int] = set()
    # SQLite lets other threads work while it writes, and half of the time is its: the next lines are read meanwhile.
    with ThreadPoolExecutor(1, "import") as ahead:
        coming = ahead.submit(_read, reader, found)
        while (chunk := coming.result()).records:
            coming = ahead.submit(_read, reader, found)
            result.lines += chunk.records
            result.bad += len(chunk.problems)
            for number, problem in chunk.problems:
                report(number, problem)
            with begin() as session:
                store_lines(
                    session,
                    chunk.lines,
                    settings.digest,
                    keyring,
                    rules,
                    now=now,
                    result=result,
                    report=report,
                    seen=seen,
                )
            progress(chunk.records)
    return result


def _default_digest(settings: Settings, rules: ImportRules, header: Header) -> str | None:
    if rules.digest is not None:
        settings.named_digest(rules.digest)
        return rules.digest
    if len(settings.digest) == 1:
        return next(iter(settings.digest))
    if "digest" not in header.places:
        raise UsageError(f"say which digest with --digest; there is: {', '.join(settings.digest) or 'none'}")
    return None


def _read(reader: LineReader, found: Iterator[Record]) -> _Read:
    """The next lines of the file; no records at its end."""
    lines, problems, count = [], [], 0
    for record in islice(found, CHUNK):
        count += 1
        try:
            lines.append(reader.read(record))
        except (AddressError, UsageError) as error:
            problems.append((record.number, str(error)))
    return _Read(lines, problems, count)
