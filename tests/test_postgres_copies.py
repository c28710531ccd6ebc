"""The databases that tests share one after the other: nothing of a test is left for the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from populated import load
from postgres_copies import Copies

from syndicate.store.engine import Database
from syndicate.store.schema import head_revision


@pytest.fixture
def copies(postgres_copies: Copies) -> Iterator[Copies]:
    """Copies of this test's own."""
    copies = Copies(postgres_copies.server, postgres_copies.template)
    yield copies
    copies.close()


def content(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, and where each sequence stands."""
    tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert len(tables) > 10
    rows = {name: connection.execute(f"SELECT * FROM {name}".encode()).fetchall() for name in tables}  # noqa: S608
    rows["sequences"] = connection.execute("SELECT sequencename, last_value FROM pg_sequences").fetchall()
    return rows


def test_a_used_copy_is_as_a_new_one(copies: Copies) -> None:
    with copies.one() as used, copies.server.connect(used) as connection:
        before = content(connection)
        with closing(Database(copies.server.url(used))) as database:
            load(database, head_revision())
        connection.execute("DELETE FROM alembic_version")
        connection.execute("SELECT nextval(format('%I.%I', schemaname, sequencename)::regclass) FROM pg_sequences")
        assert content(connection) != before
    with copies.one() as again, copies.server.connect(again) as connection:
        assert again == used
        assert content(connection) == before


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE suppressions",
        "CREATE TABLE theirs (id INTEGER)",
        "CREATE INDEX theirs ON subscribers (email, created_at)",
        "ALTER TABLE subscribers ADD COLUMN theirs TEXT",
        "ALTER TABLE articles DISABLE TRIGGER ALL",
        "CREATE FUNCTION theirs() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA theirs",
        "ANALYZE",
    ],
)
def test_a_changed_copy_is_not_used_again(copies: Copies, change: str) -> None:
    with copies.one() as used, copies.server.connect(used) as connection:
        connection.execute(change.encode())
    with copies.one() as fresh:
        assert fresh != used


def test_nobody_stays_connected(copies: Copies) -> None:
    with copies.one() as used:
        forgotten = psycopg.connect(copies.server.url(used).replace("+psycopg", ""))
        forgotten.execute("LOCK TABLE subscribers")
    with copies.one() as again:
        assert again == used
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")
    forgotten.close()
