"""Readers of feeds are counted through the server, by day and feed, and nothing of them is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from members_setup import rows
from reader_site import Site, reader_configuration

from syndicate.config import Settings
from syndicate.model import Keyring
from syndicate.pipeline.upkeep import prune
from syndicate.store.engine import Database
from syndicate.store.feed_readers import FeedReaders, feed_readers
from syndicate.web.feed_server.counting import ReaderCounter


def test_counts_of_two_processes_and_two_days(database: Database, now: datetime) -> None:
    moment = now
    counters = [ReaderCounter(lambda: database, lambda: moment) for _ in range(2)]
    for place, counter in enumerate(counters):
        for client in (f"192.0.2.{place}", "192.0.2.9"):
            counter.note("/feeds/all/rss.xml", client, b"Reeder")
        counter.note("/feeds/all/rss.xml", "198.51.100.1", b"Feedbin feed-id:7 - %d subscribers" % (40 + place))
        counter.write()
        counter.write()
    first = FeedReaders(feed="all", day="2026-11-22", readers=3, announced=41)
    with database.read() as session:
        assert feed_readers(session, "2026-11-22") == [first]
    moment += timedelta(days=1)
    counters[0].note("/feeds/all/rss.xml", "192.0.2.0", b"Reeder")
    counters[0].write()
    with database.read() as session:
        assert feed_readers(session, "2026-11-22") == [
            FeedReaders(feed="all", day="2026-11-23", readers=1, announced=0),
            first,
        ]
    assert rows(database, "SELECT day FROM reader_salts") == [("2026-11-23",)]
    assert "192.0.2" not in str(rows(database, "SELECT * FROM feed_readers"))


def test_the_salt_of_yesterday_is_nowhere_in_the_files(sqlite_database: Database, now: datetime) -> None:
    moment = now
    counter = ReaderCounter(lambda: sqlite_database, lambda: moment)

    def salt_of_today() -> str:
        counter.note("/feeds/all/rss.xml", "192.0.2.1", b"Reeder")
        counter.write()
        return str(rows(sqlite_database, "SELECT salt FROM reader_salts")[0][0])

    def files() -> bytes:
        with sqlite_database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a checkpoint takes no transaction
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        place = Path(str(sqlite_database.engine.url.database))
        return b"".join(each.read_bytes() for each in place.parent.glob(f"{place.name}*"))

    old = salt_of_today()
    assert old.encode() in files()
    moment += timedelta(days=1)
    new = salt_of_today()
    assert new.encode() in files()
    assert old.encode() not in files()
    moment += timedelta(days=1)
    prune(sqlite_database, Settings(), moment)  # nobody asks for a feed on that day
    assert new.encode() not in files()


@pytest.mark.parametrize("counted", [True, False])
def test_asking_for_a_feed_counts_unless_it_is_switched_off(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, counted: bool
) -> None:
    configuration = reader_configuration(tmp_path)
    privacy = configuration.privacy.model_copy(update={"count_feed_readers": counted})
    folder = configuration.feeds_path / "all"
    folder.mkdir(parents=True)
    (folder / "rss.xml").write_text("<rss version='2.0'><channel><title>x</title></channel></rss>")
    site = Site(sqlite_database, keyring, now, configuration.model_copy(update={"privacy": privacy}))
    server = site.client.app
    assert site.client.get("/feeds/all/rss.xml", headers={"user-agent": "Reeder"}).status_code == 200
    note = getattr(server, "_note", None)
    assert (note is not None) == counted
    if note is not None:
        note.__self__.write()
    assert rows(sqlite_database, "SELECT feed, readers FROM feed_readers") == ([("all", 1)] if counted else [])
