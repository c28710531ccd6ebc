"""Export subscribers as CSV, in the columns that an import reads: exported and imported again, the list is the same.

Values are written as they are. A spreadsheet program may take a name that begins with "=" for a formula; marking such
names would change them on the way back, so that is left to whoever opens the file there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Protocol

from syndicate.core.subscriber_lines import COLUMNS, TOPIC_SEPARATOR
from syndicate.core.topics import chosen_topics
from syndicate.store.engine import Database
from syndicate.store.subscriber_batches import Membership, memberships

_PAGE = 500


class Writable(Protocol):
    """Where the text goes: a file opened with ``newline=""``, or standard output."""

    def write(self, text: str, /) -> object: ...


def export_subscribers(
    database: Database,
    file: Writable,
    *,
    digest: str | None = None,
    progress: Callable[[int], None] = lambda _count: None,
) -> int:
    """Write all subscriptions (RFC 4180, header first), one a line, from one snapshot. Returns the number of lines."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    with database.read() as session:
        for membership in memberships(session, digest):
            writer.writerow(_fields(membership))
            count += 1
            progress(1)
    return count


def export_pages(database: Database, *, digest: str | None = None) -> Iterator[str]:
    """The same text in pieces of some hundred lines, for whoever sends it on while it is read."""
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow(COLUMNS)
    with database.read() as session:
        for number, membership in enumerate(memberships(session, digest), start=1):
            writer.writerow(_fields(membership))
            if number % _PAGE == 0:
                yield page.getvalue()
                page.seek(0)
                page.truncate()
    yield page.getvalue()


def _fields(membership: Membership) -> list[str]:
    subscriber, subscription = membership.subscriber, membership.subscription
    return [
        subscriber.email,
        subscriber.name,
        subscription.digest,
        subscription.frequency.value,
        TOPIC_SEPARATOR.join(chosen_topics(subscription.topics)),
        subscriber.timezone or "",
        subscriber.language or "",
        subscription.state.value,
    ]
