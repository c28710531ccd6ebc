"""Pruning: what is old goes, what is young or open stays, and the ledger balances at every moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import Session, SQLModel

from syndicate.config import Settings
from syndicate.config.sections import Service
from syndicate.model import IssueState
from syndicate.pipeline import upkeep
from syndicate.pipeline.upkeep import PruneResult, prune
from syndicate.store.engine import Database
from syndicate.store.issues import get_issue
from syndicate.store.tables import (
    ArticleRow,
    ArticleVersionRow,
    CohortRow,
    DeliveryRow,
    EditionRow,
    HolderRow,
    IssueRow,
    SubscriberRow,
)

DAY = timedelta(days=1)


@pytest.fixture
def settings() -> Settings:
    return Settings(service=Service(keep_editions=10 * DAY, keep_deliveries=20 * DAY, keep_versions=5 * DAY))


def added(session: Session, row: Any) -> int:
    """Insert a row; gives its id."""
    session.add(row)
    session.flush()
    number: int = row.id
    return number


def add_issue(session: Session, ended: datetime, *, state: str = "finished", rows: int = 10, short: int = 0) -> int:
    """An issue with one edition; two of its deliveries were rejected, one is in doubt. ``short`` rows are missing."""
    number = session.scalar(select(func.count()).select_from(IssueRow)) or 0
    period, finished = f"daily/{number}", ended if state == "finished" else None
    issue = added(
        session,
        IssueRow(
            digest="morning", period=period, state=state, recipients=rows, composed_at=ended, finished_at=finished
        ),
    )
    edition = added(
        session,
        EditionRow(issue_id=issue, key="e", language="en", subject="s", message=b"body", composed_at=ended),
    )
    cohort = added(
        session,
        CohortRow(issue_id=issue, edition_id=edition, cursor=0, first=True, topics={"*": 0}, carry=[], language=""),
    )
    states = ["rejected", "rejected", "in_doubt"] + ["accepted"] * rows
    for place in range(rows - short):
        email = f"reader-{number}-{place}@reader.example"
        person = added(
            session,
            SubscriberRow(email=email, email_key=email, email_hash=email, domain="reader.example", created_at=ended),
        )
        session.add(
            DeliveryRow(
                issue_id=issue,
                edition_id=edition,
                cohort_id=cohort,
                subscriber_id=person,
                state=states[place],
                due_at=ended,
            )
        )
    session.flush()
    return issue


def number_of(database: Database, table: type[SQLModel], *conditions: Any) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def test_nothing_to_do(database: Database, settings: Settings, now: datetime) -> None:
    assert prune(database, settings, now) == PruneResult()


def test_old_bodies_go_and_their_editions_stay(database: Database, settings: Settings, now: datetime) -> None:
    with database.write() as session:
        old = add_issue(session, now - 11 * DAY)
        cancelled = add_issue(session, now - 11 * DAY, state="cancelled")
        young = add_issue(session, now - 9 * DAY)
        paused = add_issue(session, now - 11 * DAY, state="paused")
    assert prune(database, settings, now) == PruneResult(editions=2)
    with database.read() as session:
        bodies = {row.issue_id: row.message for row in session.scalars(select(EditionRow))}
    assert bodies == {old: None, cancelled: None, young: b"body", paused: b"body"}
    assert number_of(database, DeliveryRow) == 40
    assert prune(database, settings, now) == PruneResult()


def test_old_rows_go_and_the_ledger_still_balances(database: Database, settings: Settings, now: datetime) -> None:
    with database.write() as session:
        old = add_issue(session, now - 21 * DAY)
        young = add_issue(session, now - 19 * DAY)
        running = add_issue(session, now - 21 * DAY, state="running")
    with database.read() as session:
        before = get_issue(session, old)
    assert prune(database, settings, now).deliveries == 10
    with database.read() as session:
        after = get_issue(session, old)
        assert after.counts == before.counts
        assert after.counts.as_dict() | {"accepted": 7, "rejected": 2, "in_doubt": 1} == after.counts.as_dict()
        assert after.balanced
        assert get_issue(session, young).balanced
    assert number_of(database, DeliveryRow, DeliveryRow.issue_id == old) == 0
    assert number_of(database, CohortRow, CohortRow.issue_id == old) == 0
    assert number_of(database, DeliveryRow, DeliveryRow.issue_id == young) == 10
    assert number_of(database, DeliveryRow, DeliveryRow.issue_id == running) == 10
    assert number_of(database, CohortRow) == 2


def test_the_ledger_balances_between_chunks_and_after_a_stop(
    database: Database, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHUNK", 3)
    with database.write() as session:
        old = add_issue(session, now - 21 * DAY)
    balanced: list[tuple[int, bool]] = []

    def stop_after(chunks: int) -> Callable[[], bool]:
        asked = 0

        def stopping() -> bool:
            nonlocal asked
            asked += 1
            with database.read() as session:
                balanced.append((number_of(database, DeliveryRow), get_issue(session, old).balanced))
            return asked > chunks

        return stopping

    # The bodies are one chunk; then the rows, three at a time.
    assert prune(database, settings, now, stopping=stop_after(3)).deliveries == 6
    assert number_of(database, DeliveryRow) == 4
    assert number_of(database, CohortRow) == 1
    assert prune(database, settings, now).deliveries == 4
    assert number_of(database, CohortRow) == 0
    assert [rows for rows, _ in balanced] == [10, 10, 7, 4, 4, 4, 4, 4, 4]
    assert all(fine for _, fine in balanced)
    with database.read() as session:
        assert get_issue(session, old).counts.accepted == 7


def test_an_issue_that_does_not_add_up_keeps_its_rows_and_stops_nothing(
    database: Database, settings: Settings, now: datetime
) -> None:
    with database.write() as session:
        broken = add_issue(session, now - 22 * DAY, short=1)
        old = add_issue(session, now - 21 * DAY)
    result = prune(database, settings, now)
    assert result.deliveries == 10
    assert len(result.problems) == 1
    assert f"issue {broken} was frozen with 10 recipients and its rows add up to 9" in result.problems[0]
    assert number_of(database, DeliveryRow, DeliveryRow.issue_id == broken) == 9
    assert number_of(database, DeliveryRow, DeliveryRow.issue_id == old) == 0


def test_old_versions_of_articles_go(database: Database, settings: Settings, now: datetime) -> None:
    with database.write() as session:
        row = ArticleRow(
            uid="tag:courier.example,2026:a",
            source="stories",
            key="a",
            revision=1,
            content_hash="h",
            title="A",
            html="",
            summary="",
            authors=[],
            tags=[],
            kind="article",
            published_at=now,
            first_seen_at=now,
            changed_at=now,
        )
        article = added(session, row)
        for version, age in enumerate((7, 6, 4), start=1):
            session.add(
                ArticleVersionRow(
                    article_id=article, version=version, content_hash="h", content={}, replaced_at=now - age * DAY
                )
            )
    assert prune(database, settings, now).versions == 2
    with database.read() as session:
        assert list(session.scalars(select(ArticleVersionRow.version))) == [3]  # type: ignore[call-overload]
    assert number_of(database, ArticleRow) == 1


def test_dead_holders_go_unless_they_hold_something(database: Database, settings: Settings, now: datetime) -> None:
    with database.write() as session:
        for name, age in (("old", 31), ("holding", 31), ("young", 29)):
            seen = now - age * DAY
            session.add(HolderRow(holder=name, host="h", pid=1, started_at=seen, seen_at=seen))
        issue = add_issue(session, now, state=IssueState.RUNNING.value)
        row = session.scalars(select(DeliveryRow).where(DeliveryRow.issue_id == issue).limit(1)).one()  # type: ignore[arg-type]
        row.state, row.holder = "sending", "holding"
        session.add(row)
    assert prune(database, settings, now).holders == 1
    with database.read() as session:
        assert sorted(session.scalars(select(HolderRow.holder))) == ["holding", "young"]  # type: ignore[call-overload]
