"""Freezing: the plans of its statements, and what the ledger refers to. What an issue holds: tests of compose."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text
from sqlmodel import Session, col

from syndicate.core.selection import Standing
from syndicate.store import freeze, subscribers
from syndicate.store.cohorts import Cohort, cohorts, pass_over
from syndicate.store.engine import Database
from syndicate.store.freeze import FrozenEdition, candidates
from syndicate.store.tables import CohortRow, DeliveryRow, EditionRow, SubscriberRow, SubscriptionRow


def subscribe(session: Session, standings: list[Standing], now: datetime) -> None:
    numbers = count(1)
    people = [
        {
            "id": number,
            "email": f"r{number}@example.org",
            "email_key": f"r{number}@example.org",
            "email_hash": f"h{number}",
            "domain": "example.org",
            "created_at": now,
        }
        for number, _ in zip(numbers, standings, strict=False)
    ]
    session.connection().execute(subscribers.subscribers.insert(), [person | {"name": ""} for person in people])
    session.connection().execute(
        subscribers.subscriptions.insert(),
        [
            {
                "subscriber_id": number,
                "digest": "morning",
                "state": "confirmed",
                "frequency": "daily",
                "topics": dict(standing.topics),
                "cursor": standing.cursor,
                "first": standing.first,
                "joined_seq": standing.joined_seq,
                "carry": list(standing.carry),
                "created_at": now,
            }
            for number, standing in enumerate(standings, 1)
        ],
    )


def one_edition(groups: list[Cohort], key: str = "e") -> FrozenEdition:
    return FrozenEdition(
        key=key, language="en", subject="s", articles=[], message=b"", cohorts=[(cohort, ()) for cohort in groups]
    )


def explain(connection: Connection, query: Any) -> str:
    sql = str(query.compile(connection, compile_kwargs={"literal_binds": True, "render_postcompile": True}))
    return "\n".join(" ".join(map(str, row)) for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql))


@pytest.mark.parametrize("frequencies", [None, ["daily"], ["daily", "instant"]])
@pytest.mark.parametrize("analysed", [False, True])
def test_each_subscription_finds_its_cohort_by_index(
    sqlite_database: Database, now: datetime, frequencies: list[str] | None, analysed: bool
) -> None:
    with sqlite_database.write() as session:
        subscribe(session, [Standing(cursor=5, first=False, topics={f"t{n}": 0}) for n in range(300)], now)
        groups = cohorts(session, "morning", None)
        freeze.freeze(
            session,
            digest="morning",
            period="p",
            frequencies=None,
            subject="s",
            max_seq=9,
            editions=[one_edition(groups)],
            now=now,
        )
        if analysed:
            session.connection().exec_driver_sql("ANALYZE")
    with sqlite_database.read() as session:
        plan = explain(session.connection(), candidates(1, "morning", frequencies, col(CohortRow.id)))
    used = re.search(r"SEARCH cohorts USING (COVERING )?INDEX ix_cohorts_match \((.*)\)", plan)
    assert used, plan
    # With statistics it may look for the cohort before the subscriber, whose language comes last in the index.
    assert used[2].count("=?") >= (6 if analysed else 7), plan
    assert "AUTOMATIC" not in plan
    assert plan.index("subscriptions") < plan.index("cohorts"), plan


def test_thousands_of_cohorts_are_no_trouble(database: Database, now: datetime) -> None:
    """Quadratic, this took a minute and more; how many recipients each has is counted in one statement."""
    standings = [Standing(cursor=5, first=False, topics={f"t{n % 2000}": 0}) for n in range(6000)]
    with database.write() as session:
        subscribe(session, standings, now)
    with database.write(snapshot=True) as session:
        groups = cohorts(session, "morning", None)
        issue_id = freeze.freeze(
            session,
            digest="morning",
            period="p",
            frequencies=None,
            subject="s",
            max_seq=9,
            editions=[one_edition(groups[:500], "a"), one_edition(groups[500:], "b")],
            now=now,
        )
    with database.read() as session:
        counted = session.execute(select(col(CohortRow.recipients))).scalars().all()
        assert (len(counted), set(counted)) == (2000, {3})
        editions = select(col(EditionRow.recipients)).where(col(EditionRow.issue_id) == issue_id)
        assert sorted(session.execute(editions).scalars()) == [1500, 4500]


def test_a_long_choice_and_a_long_carry_are_no_trouble(database: Database, now: datetime) -> None:
    """An entry of an index on PostgreSQL has 2,704 bytes at most."""
    topics = {f"{n:x} quay {n * n}": n for n in range(400)}
    carry = tuple(range(1, 20_000, 7))
    with database.write() as session:
        subscribe(session, [Standing(cursor=1, first=False, topics=topics, carry=carry)], now)
        groups = cohorts(session, "morning", ["daily"])
        freeze.freeze(
            session,
            digest="morning",
            period="p",
            frequencies=["daily"],
            subject="s",
            max_seq=9,
            editions=[one_edition(groups)],
            now=now,
        )
        assert session.execute(select(col(DeliveryRow.state))).scalars().all() == ["queued"]


def cohort(standing: Standing, language: str = "") -> Cohort:
    return Cohort(standing=standing, language=language, subscriptions=1)


def test_passing_over_finds_exactly_those_that_stand_so(database: Database, now: datetime) -> None:
    plain = Standing(cursor=3, first=False, topics={"port": 0, "über": 2}, carry=(4, 5))
    others = [
        Standing(cursor=2, first=False, topics=plain.topics, carry=plain.carry),
        Standing(cursor=3, first=True, joined_seq=1, topics=plain.topics, carry=plain.carry),
        Standing(cursor=3, first=False, topics={"port": 0}, carry=plain.carry),
        Standing(cursor=3, first=False, topics=plain.topics, carry=(4,)),
        Standing(cursor=9, first=False, topics={"*": 0}),
    ]
    with database.write() as session:
        subscribe(session, [plain, plain, *others], now)
        session.execute(text("UPDATE subscriptions SET frequency = 'weekly' WHERE id = 2"))
        same = (cohort(plain), plain.carry)
        assert pass_over(session, "evening", None, [same], 9) == 0
        assert pass_over(session, "morning", ["daily"], [], 9) == 0
        assert pass_over(session, "morning", ["daily"], [same, (cohort(others[-1]), ())], 9) == 1
        assert session.execute(
            select(col(SubscriptionRow.id)).where(col(SubscriptionRow.cursor) == 9).order_by(col(SubscriptionRow.id))
        ).scalars().all() == [1, 7]
        assert pass_over(session, "morning", None, [same, (cohort(others[1]), plain.carry)], 9) == 2
        moved = select(col(SubscriptionRow.cursor), col(SubscriptionRow.first), col(SubscriptionRow.joined_seq)).where(
            col(SubscriptionRow.id) == 4
        )
        assert session.execute(moved).one() == (9, False, 0)


def test_who_is_passed_over_keeps_what_is_still_owed_and_loses_the_rest(database: Database, now: datetime) -> None:
    standings = [
        Standing(cursor=3, first=False, topics={"*": 0}, carry=(4, 5)),
        Standing(cursor=3, first=False, topics={"*": 0}),
        Standing(cursor=9, first=False, topics={"*": 0}, carry=(4, 5)),
        Standing(cursor=9, first=False, topics={"*": 0}, carry=(5,)),
    ]
    new: list[tuple[int, ...]] = [(5,), (8,), (5,), (5,)]
    with database.write() as session:
        subscribe(session, standings, now)
        passed = [(cohort(standing), carry) for standing, carry in zip(standings, new, strict=True)]
        assert pass_over(session, "morning", None, passed, 9) == 3  # the last one stands there already
        rows = session.execute(select(col(SubscriptionRow.cursor), col(SubscriptionRow.carry)).order_by("id")).all()
    assert [tuple(row) for row in rows] == [(9, [5]), (9, [8]), (9, [5]), (9, [5])]


def test_passing_over_by_language_leaves_other_languages_alone(database: Database, now: datetime) -> None:
    alike = Standing(cursor=3, first=False, topics={"*": 0})
    with database.write() as session:
        subscribe(session, [alike] * 4, now)
        session.execute(text("UPDATE subscribers SET language = 'cy' WHERE id IN (2, 3)"))
        session.execute(text("UPDATE subscribers SET language = 'de' WHERE id = 4"))
        passed = [(cohort(alike, ""), ()), (cohort(alike, "de"), (7,))]
        assert pass_over(session, "morning", None, passed, 9, by_language=True) == 2
        rows = session.execute(select(col(SubscriptionRow.cursor), col(SubscriptionRow.carry)).order_by("id")).all()
    assert [tuple(row) for row in rows] == [(9, []), (3, []), (3, []), (9, [7])]


def test_deliveries_refer_to_readers_alone(database: Database) -> None:
    """A key to what goes together is paid for by every row of a freeze, and without an index by all that is pruned."""
    referred = {key["referred_table"] for key in inspect(database.engine).get_foreign_keys(DeliveryRow.__tablename__)}
    assert referred == {SubscriberRow.__tablename__}
