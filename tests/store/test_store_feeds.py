"""What is kept of feeds between builds, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from syndicate.store.articles import Term
from syndicate.store.engine import Database
from syndicate.store.feed_entries import changed_ids, changed_statement
from syndicate.store.feeds import (
    NEVER_BUILT,
    DocumentRecord,
    FeedRecord,
    create_feeds,
    documents_of,
    record_failed,
    record_feed,
    record_gone,
    record_moved,
    recorded_bases,
)
from syndicate.store.tables import ArticleRow


def document(name: str, now: datetime, *, feed: str = "all", content_hash: str = "a" * 64) -> DocumentRecord:
    return DocumentRecord(
        path=f"{feed}/{name}", feed=feed, format="rss", content_hash=content_hash, size=7, entries=2, changed_at=now
    )


def feed(now: datetime, *, name: str = "all", revision: int = 5) -> FeedRecord:
    return FeedRecord(name=name, base=name, revision=revision, settings_hash="h", entries=2, built_at=now)


def documents(database: Database, name: str = "all") -> dict[str, DocumentRecord]:
    with database.read() as session:
        return documents_of(session, [name]).get(name, {})


def bases(database: Database) -> dict[str, FeedRecord]:
    with database.read() as session:
        return recorded_bases(session)


def test_what_was_built_is_read_back(database: Database, now: datetime) -> None:
    rss, atom = document("rss.xml", now), document("atom.xml", now)
    with database.write() as session:
        record_feed(session, feed(now), written=[rss, atom])
        record_feed(session, feed(now, name="port"), written=[document("rss.xml", now, feed="port")])
    assert bases(database) == {"all": feed(now), "port": feed(now, name="port")}
    assert documents(database) == {rss.path: rss, atom.path: atom}

    newer = replace(atom, content_hash="b" * 64, gzip_size=5, brotli_size=4, brotli_quality=11)
    with database.write() as session:
        record_feed(session, feed(now, revision=6), written=[newer], removed=[rss.path])
    assert documents(database) == {newer.path: newer}

    with database.write() as session:
        record_gone(session, ["all"], now)
    assert bases(database)["all"].gone_at == now
    assert documents(database) == {}
    assert list(documents(database, "port")) == ["port/rss.xml"]


def test_a_failure_keeps_the_last_good_build(database: Database, now: datetime) -> None:
    with database.write() as session:
        record_feed(session, feed(now), written=[document("rss.xml", now)])
        record_failed(session, replace(feed(now), revision=9, entries=0), "no room")
        record_failed(session, FeedRecord(name="never", base="never", built_at=now), "no folder")
    found = bases(database)
    assert found["all"] == replace(feed(now), error="no room")
    assert (found["never"].revision, found["never"].error) == (NEVER_BUILT, "no folder")
    assert list(documents(database)) == ["all/rss.xml"]


def test_a_term_gets_one_name_for_ever(database: Database, now: datetime) -> None:
    def wanted(*terms: str) -> list[FeedRecord]:
        return [FeedRecord(name="", base="all", kind="tag", term=term, label=term, built_at=now) for term in terms]

    def named(record: FeedRecord, taken: set[str]) -> str:
        return f"all/tag/{len(taken)}"

    with database.write() as session:
        first = create_feeds(session, wanted("tide", "quay"), named)
    with database.write() as session:
        second = create_feeds(session, wanted("quay", "fish"), named)
    assert {row.of: row.name for row in [*first, *second]} == {
        Term("tag", "tide"): "all/tag/0",
        Term("tag", "quay"): "all/tag/1",
        Term("tag", "fish"): "all/tag/2",
    }


def test_moves_lead_to_the_last_name(database: Database, now: datetime) -> None:
    with database.write() as session:
        assert record_moved(session, "a", "b", now)
        assert not record_moved(session, "a", "b", now)
        assert record_moved(session, "b", "c", now)
    assert {name: row.moved_to for name, row in bases(database).items()} == {"a": "c", "b": "c"}


def article(number: int, expires_at: datetime | None, now: datetime) -> ArticleRow:
    return ArticleRow(
        uid=f"tag:courier.example,2026:{number}",
        source="stories",
        key=str(number),
        seq=number,
        revision=number,
        content_hash="h",
        title="T",
        html="",
        summary="",
        published_at=now,
        expires_at=expires_at,
        kind="article",
        first_seen_at=now,
        changed_at=now,
    )


def test_expiry_counts_from_the_second_after_to_the_second_of(database: Database, now: datetime) -> None:
    second, expiry = timedelta(seconds=1), now + timedelta(hours=1)
    with database.write() as session:
        session.add(article(1, expiry, now))
        session.add(article(2, None, now))
    with database.read() as session:
        assert changed_ids(session, 2, now, expiry - second, 10) == []
        assert changed_ids(session, 2, now, expiry, 10) == [1]
        assert changed_ids(session, 2, expiry - second, expiry + second, 10) == [1]
        assert changed_ids(session, 2, expiry, expiry + second, 10) == []
        assert sorted(changed_ids(session, 0, now, expiry, 2) or []) == [1, 2]
        assert changed_ids(session, 0, now, expiry, 1) is None


def test_changes_and_expiry_are_found_by_index(database: Database, now: datetime) -> None:
    with database.write() as session:
        session.add_all(article(number, now if number % 10 == 0 else None, now) for number in range(1, 2001))
    with database.write() as session:
        session.connection().execute(text("ANALYZE"))
    dialect = sqlite.dialect() if database.dialect == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    statement = str(
        changed_statement(1999, now, now + timedelta(minutes=1)).compile(
            dialect=dialect, compile_kwargs={"literal_binds": True}
        )
    )
    explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    with database.read() as session:
        plan = "\n".join(str(row) for row in session.connection().execute(text(f"{explain} {statement}")))
    assert "ix_articles_expires" in plan
    assert "ix_articles_revision" in plan
