"""Import subscribers from CSV: ten thousand lines a transaction, flat memory, one bad line stops nothing.

Killed in the middle, it is run again: what was stored is found there, and nobody is asked or added twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice

from syndicate.config import Settings
from syndicate.core.subscriber_lines import Header, LineReader, Record, SubscriberLine, read_header, records
from syndicate.errors import AddressError, UsageError
from syndicate.model import Keyring
from syndicate.pipeline.members.import_chunk import Imported, ImportRules, store_lines
from syndicate.store.engine import Database

# A transaction touches most pages of the index of hashes, which are in no order, whether it has 1,000 lines or 10,000;
# it holds the write lock for about half a second.
CHUNK = 10_000


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
    parsed = _parsed(reader, found, result, report)
    begin = database.read if rules.dry_run else database.write
    seen: set[int] = set()
    while lines_read := list(islice(parsed, CHUNK)):
        with begin() as session:
            store_lines(
                session, lines_read, settings.digest, keyring, rules, now=now, result=result, report=report, seen=seen
            )
        progress(len(lines_read))
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


def _parsed(
    reader: LineReader, found: Iterable[Record], result: Imported, report: Callable[[int, str], None]
) -> Iterator[SubscriberLine]:
    for record in found:
        result.lines += 1
        try:
            yield reader.read(record)
        except (AddressError, UsageError) as error:
            result.bad += 1
            report(record.number, str(error))
