"""A database opened for a test, and closed whatever happens in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syndicate.store.engine import Database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database at the address, closed at the end."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()
