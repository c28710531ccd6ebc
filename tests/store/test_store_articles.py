from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Select, text
from sqlmodel import Session

from syndicate.config.sections import Selection
from syndicate.core.article.change import decide
from syndicate.core.article.identity import content_hash
from syndicate.core.selection import Outline
from syndicate.errors import ArticleError, StoreConflictError
from syndicate.model import ArticleContent, Attachment
from syndicate.store import articles, mirror
from syndicate.store.engine import Database

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = Selection()


def content(key: str, **fields: Any) -> ArticleContent:
    return replace(ArticleContent(key=key, title=f"Title {key}", html="<p>x</p>", published_at=NOW - HOUR), **fields)


def put(session: Session, *contents: ArticleContent, source: str = "stories", now: datetime = NOW) -> None:
    before = mirror.mirrored(session, source, [entry.key for entry in contents])
    changes = []
    for entry in contents:
        old = before.get(entry.key)
        change = decide(
            old.article if old else None, old.content_hash if old else None, entry, content_hash(entry), now
        )
        if change:
            changes.append(change)
    mirror.apply(session, source, changes, authority="courier.example", now=now)


def keys(found: Sequence[Any]) -> list[str]:
    return [article.content.key for article in found]


def outlined(session: Session, found: Sequence[Outline]) -> list[str]:
    """The keys of outlines, in the order of their numbers."""
    whole = articles.by_ids(session, [outline.id for outline in found])
    return [whole[outline.id].content.key for outline in sorted(found, key=lambda outline: outline.seq)]


def test_an_article_comes_back_as_it_was_put(database: Database) -> None:
    full = content(
        "a",
        url="https://courier.example/a",
        markdown="x",
        summary="s",
        authors=("Ines Farrow", "Hesper Doyle"),
        publisher="p",
        category="Port",
        tags=("ferry", "Skerra"),
        language="pt-BR",
        expires_at=NOW + HOUR,
        pinned=True,
        image="https://courier.example/a.png",
        image_alt="alt",
        comments=3,
        comments_url="https://courier.example/a#c",
        comments_feed="https://courier.example/a/comments.xml",
        attachments=(
            Attachment(url="https://courier.example/a.mp3", type="audio/mpeg", length=2**40),
            Attachment(url="https://courier.example/a.pdf", type=""),
        ),
        popularity=1.5,
    )
    with database.write() as session:
        put(session, full)
    with database.read() as session:
        (article,) = articles.newest(session, ALL, limit=5, now=NOW)
        assert article.content == full
        assert (article.seq, article.version, article.source) == (1, 1, "stories")
        assert article.uid == "tag:courier.example,2026-11-22:stories/a"
        assert articles.by_ids(session, [article.id, 99]) == {article.id: article}


def test_the_window_is_newest_first_and_only_what_may_be_read(database: Database) -> None:
    with database.write() as session:
        put(
            session,
            content("old", published_at=NOW - 9 * HOUR),
            content("same-1", published_at=NOW - 2 * HOUR),
            content("same-2", published_at=NOW - 2 * HOUR),
            content("new", published_at=NOW),
            content("waits", published_at=NOW + HOUR),
            content("expired", expires_at=NOW),
            content("expires", expires_at=NOW + HOUR, published_at=NOW - 3 * HOUR),
            content("withdrawn", withdrawn=True),
        )
    with database.read() as session:
        assert keys(articles.newest(session, ALL, limit=9, now=NOW)) == ["new", "same-2", "same-1", "expires", "old"]
        assert keys(articles.newest(session, ALL, limit=2, now=NOW)) == ["new", "same-2"]
        assert outlined(session, articles.above(session, 0, ALL, now=NOW)) == [
            "old",
            "expires",
            "same-1",
            "same-2",
            "new",
        ]
        # "expired" has a number; it is only no longer shown.
        assert articles.highest_seq(session) == 6
        assert outlined(session, articles.above(session, 3, ALL, now=NOW)) == ["same-2", "new"]
        assert outlined(session, articles.published_since(session, NOW - 2 * HOUR, ALL, now=NOW)) == [
            "same-1",
            "same-2",
            "new",
        ]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(categories=("PORT",)), ["3", "1"]),
        (Selection(categories=("port", "Town")), ["3", "2", "1"]),
        (Selection(tags=("ferry", "skerra")), ["3", "1"]),
        (Selection(tags=("Ferry",), authors=("ines  farrow",)), ["1"]),
        (Selection(authors=("HESPER DOYLE",)), ["3", "2"]),
        (Selection(languages=("en",)), ["2", "1"]),
        (Selection(languages=("en-gb", "he")), ["3", "2"]),
        (Selection(sources=("other",)), ["other"]),
        (Selection(sources=("stories",), categories=("port",), languages=("he",)), ["3"]),
        (Selection(categories=("nothing",)), []),
    ],
)
def test_selections(database: Database, selection: Selection, expected: list[str]) -> None:
    with database.write() as session:
        put(
            session,
            content("1", category="Port", tags=("Ferry", "SKERRA"), authors=("Ines Farrow",), language="en"),
            content("2", category="town", authors=("Hesper Doyle",), language="en-GB"),
            content("3", category="port", tags=("ferry",), authors=("Hesper Doyle",), language="he"),
        )
        put(session, content("other"), source="other")
    with database.read() as session:
        assert keys(articles.newest(session, selection, limit=9, now=NOW)) == expected
        assert sorted(outlined(session, articles.above(session, 0, selection, now=NOW))) == sorted(expected)


def test_an_edit_moves_the_terms_and_keeps_the_old_text(database: Database) -> None:
    with database.write() as session:
        put(session, content("a", category="port", tags=("x",)))
        first = articles.highest_revision(session)
    with database.write() as session:
        put(session, content("a", category="town", title="Other"), now=NOW + HOUR)
    with database.read() as session:
        assert articles.newest(session, Selection(categories=("port",)), limit=1, now=NOW) == []
        (article,) = articles.newest(session, Selection(categories=("town",)), limit=1, now=NOW)
        assert (article.version, article.seq, article.title) == (2, 1, "Other")
        assert articles.highest_revision(session) > first
        versions = session.connection().execute(text("SELECT version, content FROM article_versions")).all()
        assert [version for version, _ in versions] == [1]
        assert '"title":"Title a"' in versions[0].content


def test_due_articles_get_their_numbers_in_the_order_of_their_dates(database: Database) -> None:
    with database.write() as session:
        put(
            session,
            content("late", published_at=NOW + 3 * HOUR),
            content("soon", published_at=NOW + HOUR),
            content("gone", published_at=NOW + HOUR / 2),
            content("now"),
        )
        mirror.withdraw(session, "stories", ["gone"], now=NOW)
        assert articles.next_due(session) == NOW + HOUR
        before = articles.highest_revision(session)
        assert articles.number_due(session, NOW) == 0
        assert articles.highest_revision(session) == before
    with database.write() as session:
        assert articles.number_due(session, NOW + 5 * HOUR) == 2
        assert articles.number_due(session, NOW + 5 * HOUR) == 0
        assert articles.next_due(session) is None
        assert outlined(session, articles.above(session, 1, ALL, now=NOW + 5 * HOUR)) == ["soon", "late"]
        assert articles.highest_revision(session) == before + 1


def test_withdrawing_twice_counts_once(database: Database) -> None:
    with database.write() as session:
        put(session, content("a"), content("b"))
        assert mirror.withdraw(session, "stories", ["a", "missing"], now=NOW) == 1
        revision = articles.highest_revision(session)
        assert mirror.withdraw(session, "stories", ["a"], now=NOW + HOUR) == 0
        assert articles.highest_revision(session) == revision
        assert keys(articles.newest(session, ALL, limit=9, now=NOW)) == ["b"]


def test_a_value_that_the_database_refuses_is_an_article_error(database: Database) -> None:
    twice = decide(None, None, content("a"), "0", NOW)
    assert twice is not None

    def put_twice() -> None:
        with database.write() as session:
            put(session, content("a"))
            mirror.apply(session, "stories", [twice], authority="courier.example", now=NOW)

    with pytest.raises(ArticleError, match="the database does not take it"):
        put_twice()
    with database.read() as session:
        assert articles.highest_seq(session) == 0


def test_numbers_become_visible_in_order(database: Database) -> None:
    """Two processes number articles at once: the second waits, so nobody ever sees number 2 without number 1."""
    taken, release, numbers = Event(), Event(), []

    def slow() -> None:
        with database.write() as session:
            numbers.append(articles.take_numbers(session, articles.SEQ, 1)[0])
            taken.set()
            release.wait(20)
            # Committed only now.

    def quick() -> None:
        with database.write() as session:
            numbers.append(articles.take_numbers(session, articles.SEQ, 1)[0])

    first = Thread(target=slow)
    first.start()
    assert taken.wait(20)
    second = Thread(target=quick)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    with database.read() as session:
        assert articles.highest_seq(session) == 0
    release.set()
    first.join(20)
    second.join(20)
    assert numbers == [1, 2]
    with database.read() as session:
        assert articles.highest_seq(session) == 2


def test_an_outline_is_what_the_article_says(database: Database) -> None:
    entry = content(
        "a", category="Port", tags=("FERRY",), pinned=True, expires_at=NOW + HOUR, language="en-GB", popularity=2.5
    )
    with database.write() as session:
        put(session, entry, content("waits", published_at=NOW + HOUR), content("gone"))
        mirror.withdraw(session, "stories", ["gone"], now=NOW)
    with database.read() as session:
        (outline,) = articles.above(session, 0, ALL, now=NOW)
        assert outline == Outline(
            id=1,
            seq=1,
            version=1,
            published_at=NOW - HOUR,
            topics=frozenset({"port", "ferry"}),
            category="port",
            language="en-GB",
            title=entry.title,
            popularity=2.5,
            pinned=True,
            expires_at=NOW + HOUR,
        )
        since = NOW - HOUR
        for found in (
            articles.above(session, 0, ALL, now=NOW, away_since=since),
            articles.published_since(session, NOW - 2 * HOUR, ALL, now=NOW, away_since=since),
        ):
            assert sorted((each.id, each.withdrawn_at) for each in found) == [(1, None), (3, NOW)]
        assert articles.above(session, 0, ALL, now=NOW, away_since=NOW) == [outline]
        # By id in whatever state, but never without a number.
        assert [(each.id, each.withdrawn_at) for each in articles.outlines(session, [1, 2, 3, 99])] == [
            (1, None),
            (3, NOW),
        ]


def test_counters_are_locked_in_one_order(database: Database) -> None:
    """A poll holds the revisions and asks for numbers; a compose that numbers what is due must not hold those."""
    with database.write() as session:
        put(session, content("due", published_at=NOW + HOUR))
    failed: list[Exception] = []
    counted: list[int] = []

    def number() -> None:
        try:
            with database.write() as session:
                counted.append(articles.number_due(session, NOW + 2 * HOUR))
        except StoreConflictError as error:
            failed.append(error)

    with database.write() as session:
        articles.take_numbers(session, articles.REVISION, 1)
        other = Thread(target=number)
        other.start()
        other.join(0.5)
        assert other.is_alive()
        articles.take_numbers(session, articles.SEQ, 1)
    other.join(30)
    assert (failed, counted) == ([], [1])


def test_an_article_that_two_processes_number_gets_one_number_and_leaves_no_gap(database: Database) -> None:
    with database.write() as session:
        put(session, content("due", published_at=NOW + HOUR))
    counted: list[int] = []

    def number() -> None:
        with database.write() as session:
            counted.append(articles.number_due(session, NOW + 2 * HOUR))

    with database.write() as session:
        counted.append(articles.number_due(session, NOW + 2 * HOUR))
        other = Thread(target=number)
        other.start()
        other.join(0.3)
    other.join(30)
    assert counted == [1, 0]
    with database.read() as session:
        assert articles.highest_seq(session) == 1


def fill(session: Session, count: int) -> None:
    put(
        session,
        *(
            content(
                str(number),
                published_at=NOW - number * timedelta(minutes=1),
                category="rare" if number % 1000 == 0 else f"c{number % 5}",
                tags=(f"t{number % 7}", f"u{number % 11}"),
            )
            for number in range(1, count + 1)
        ),
    )


def explain(connection: Connection, query: Select[Any]) -> str:
    """The database's plan, as text."""
    sql = str(query.compile(connection, compile_kwargs={"literal_binds": True, "render_postcompile": True}))
    prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(" ".join(map(str, row)) for row in connection.exec_driver_sql(prefix + sql.replace("%", "%%")))


WINDOWS = [
    (ALL, "ix_articles_published"),
    (Selection(categories=("c1",)), "ix_article_terms_term"),
    (Selection(categories=("rare",)), "ix_article_terms_term"),
    (Selection(tags=("t1",), categories=("c1",)), "ix_article_terms_term"),
    (Selection(sources=("stories",)), "ix_articles_(source|published)"),
]
MAY_BE_NEW = [
    (articles.dated_from(NOW - HOUR, ALL, now=NOW), "ix_articles_published"),
    (articles.numbered_above(2950, ALL, now=NOW), "uq_articles_seq|sqlite_autoindex_articles"),
]


@pytest.fixture
def many(database: Database) -> Database:
    """Three thousand articles and what the database knows of them."""
    with database.write() as session:
        fill(session, 3000)
        if database.dialect == "postgresql":
            session.connection().exec_driver_sql("ANALYZE")
    return database


# One test for all of them: it is the articles that take the time.
def test_windows_and_what_may_be_new_are_walks_along_an_index(many: Database) -> None:
    with many.read() as session:
        for selection, index in WINDOWS:
            plan = explain(session.connection(), articles.window(selection, limit=50, now=NOW))
            assert re.search(rf"(?i)index.* {index}", plan), plan
            if many.dialect == "sqlite":
                assert "SCAN articles\n" not in plan + "\n"
                assert "TEMP B-TREE" not in plan
        for query, index in MAY_BE_NEW:
            plan = explain(session.connection(), query)
            assert re.search(rf"(?i)index.* ({index})", plan), plan
            assert "html" not in str(query)  # bodies are for what was chosen
            if many.dialect == "sqlite":
                assert re.search(r"\((published_at|seq)>", plan), plan
