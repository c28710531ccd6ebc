"""Whether the database is whole, and the trace of a one-click request of nobody; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from syndicate.core.links import PROBES
from syndicate.store import soundness
from syndicate.store.engine import Database
from syndicate.store.probes import last_probe, note_probe
from syndicate.store.subscribers import subscription_by_id


def test_a_whole_database(database: Database) -> None:
    found = soundness.damage(database, seconds=60)
    assert found == (() if database.dialect == "sqlite" else None)
    assert soundness.version(database).startswith("SQLite 3" if database.dialect == "sqlite" else "PostgreSQL ")


def test_looking_ends_in_time_and_leaves_the_connection_as_it_was(database: Database) -> None:
    if database.dialect == "sqlite":
        with database.write() as session:
            session.execute(text("CREATE TABLE many (n INTEGER PRIMARY KEY, t TEXT)"))
            session.execute(
                text(
                    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000)"
                    " INSERT INTO many SELECT n, 'tide' FROM c"
                )
            )
    assert soundness.damage(database, seconds=0) is None
    with database.read() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1


def test_settings_that_lose_what_was_committed(database: Database) -> None:
    found = soundness.unsafe_settings(database)
    if database.dialect == "sqlite":
        assert found == ()
        return
    with database.read() as session:
        off = [
            name for name in ("fsync", "full_page_writes") if session.execute(text(f"SHOW {name}")).scalar() == "off"
        ]
        committed = session.execute(text("SHOW synchronous_commit")).scalar()
    expected = [f"{name} = off" for name in off] + (["synchronous_commit = off"] if committed == "off" else [])
    assert list(found) == expected


def test_the_clock_of_a_server(database: Database) -> None:
    theirs = soundness.server_time(database)
    if database.dialect == "sqlite":
        assert theirs is None
    else:
        assert theirs is not None
        assert abs(theirs - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_probe_is_kept_and_replaced(database: Database) -> None:
    with database.write() as session:
        assert last_probe(session) is None
        note_probe(session, PROBES.start)
        note_probe(session, PROBES.stop - 1)
        assert last_probe(session) == PROBES.stop - 1


def test_a_number_that_no_subscription_can_have_is_asked_of_no_database(database: Database) -> None:
    with database.read() as session:
        assert subscription_by_id(session, PROBES.start) is None
        assert subscription_by_id(session, PROBES.stop - 1) is None
