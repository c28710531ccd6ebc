"""What is kept of feeds between builds, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from syndicate.model import FeedFormat
from syndicate.store.engine import Database
from syndicate.store.feeds import (
    NEVER_BUILT,
    DocumentRecord,
    FeedRecord,
    any_expired,
    expired_between,
    forget,
    record_built,
    record_failed,
    recorded_feeds,
)
from syndicate.store.tables import ArticleRow


def document(form: FeedFormat, now: datetime, *, feed: str = "all", content_hash: str = "a" * 64) -> DocumentRecord:
    path = f"{feed}/{form.file_name}"
    return DocumentRecord(path=path, format=form, content_hash=content_hash, size=7, entries=2, changed_at=now)


def feed(now: datetime, *documents: DocumentRecord, name: str = "all", revision: int = 5) -> FeedRecord:
    return FeedRecord(
        name=name,
        revision=revision,
        settings_hash="h",
        entries=2,
        built_at=now,
        error=None,
        documents={document.path: document for document in documents},
    )


def records(database: Database) -> dict[str, FeedRecord]:
    with database.read() as session:
        return recorded_feeds(session)


def test_what_was_built_is_read_back(database: Database, now: datetime) -> None:
    both = feed(now, document(FeedFormat.RSS, now), document(FeedFormat.ATOM, now))
    other = feed(now, document(FeedFormat.RSS, now, feed="port"), name="port")
    with database.write() as session:
        record_built(session, both)
        record_built(session, other)
    assert records(database) == {"all": both, "port": other}

    later = now + timedelta(hours=1)
    fewer = feed(later, document(FeedFormat.ATOM, later, content_hash="b" * 64), revision=6)
    with database.write() as session:
        record_built(session, fewer)
    assert records(database) == {"all": fewer, "port": other}

    with database.write() as session:
        forget(session, "all")
    assert records(database) == {"port": other}


def test_a_failure_keeps_the_last_good_build_and_what_was_written(database: Database, now: datetime) -> None:
    good = feed(now, document(FeedFormat.RSS, now), document(FeedFormat.ATOM, now))
    later = now + timedelta(hours=1)
    newer = document(FeedFormat.RSS, later, content_hash="b" * 64)
    with database.write() as session:
        record_built(session, good)
        record_failed(session, "all", "no room", now=later, documents=[newer])
        record_failed(session, "never", "no folder", now=later)
    found = records(database)
    assert found["all"].error == "no room"
    assert (found["all"].revision, found["all"].built_at) == (5, now)
    assert found["all"].documents == {newer.path: newer, "all/atom.xml": good.documents["all/atom.xml"]}
    assert (found["never"].revision, found["never"].error) == (NEVER_BUILT, "no folder")
    with database.write() as session:
        record_built(session, good)
    assert records(database)["all"] == good


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
        assert not any_expired(session, now, expiry - second)
        assert any_expired(session, now, expiry)
        assert any_expired(session, expiry - second, expiry + second)
        assert not any_expired(session, expiry, expiry + second)


def test_expiry_is_found_by_index(database: Database, now: datetime) -> None:
    with database.write() as session:
        session.add_all(article(number, now if number % 10 == 0 else None, now) for number in range(1, 2001))
    with database.write() as session:
        session.connection().execute(text("ANALYZE"))
    dialect = sqlite.dialect() if database.dialect == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    statement = str(
        expired_between(now, now + timedelta(minutes=1)).compile(
            dialect=dialect, compile_kwargs={"literal_binds": True}
        )
    )
    explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    with database.read() as session:
        plan = "\n".join(str(row) for row in session.connection().execute(text(f"{explain} {statement}")))
    assert "ix_articles_expires" in plan
