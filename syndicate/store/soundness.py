"""Looks whether the database is whole, as far as it can be asked; changes nothing."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from syndicate.store.engine import Database

_STEPS = 10_000  # of SQLite's machine between two looks at the clock
# What is committed must stay committed, through a power cut too: the ledger stands on it.
_SETTINGS = {"fsync": "on", "full_page_writes": "on"}


def damage(database: Database, *, seconds: float) -> tuple[str, ...] | None:
    """What SQLite finds when it looks through all pages (``PRAGMA quick_check``), at most ten things.

    None on PostgreSQL, and when it is not done after so many seconds. Raises StoreError for a file that cannot be read.
    """
    if database.dialect != "sqlite":
        return None
    end = time.monotonic() + seconds
    with database.read() as session:
        connection = session.connection()
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA quick_check(10)"))]
        except OperationalError:
            if time.monotonic() > end:
                return None
            raise
        finally:
            driver.set_progress_handler(None, 0)
    return () if found == ["ok"] else tuple(found)


def unsafe_settings(database: Database) -> tuple[str, ...]:
    """Settings of a PostgreSQL server that can lose what was committed, as ``name = value``."""
    if database.dialect != "postgresql":
        return ()
    with database.read() as session:
        found = [(name, session.execute(text(f"SHOW {name}")).scalar_one()) for name in _SETTINGS]
        committed = session.execute(text("SHOW synchronous_commit")).scalar_one()
    wrong = [f"{name} = {value}" for name, value in found if value != _SETTINGS[name]]
    return (*wrong, *(["synchronous_commit = off"] if committed == "off" else []))


def version(database: Database) -> str:
    """Which database this is, as people call it."""
    with database.read() as session:
        if database.dialect == "sqlite":
            return f"SQLite {session.execute(text('SELECT sqlite_version()')).scalar_one()}"
        number = str(session.execute(text("SHOW server_version")).scalar_one())
    return f"PostgreSQL {number.split(maxsplit=1)[0]}"


def server_time(database: Database) -> datetime | None:
    """What time it is at the database's server; None for a file."""
    if database.dialect == "sqlite":
        return None
    with database.read() as session:
        found: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found
