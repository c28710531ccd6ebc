"""An issue frozen without articles or templates: for tests of the ledger that need many rows and no messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from syndicate.core.selection import Standing
from syndicate.store import subscribers
from syndicate.store.cohorts import cohorts
from syndicate.store.freeze import FrozenEdition, freeze


def subscribe(session: Session, people: int, now: datetime, *, start: int = 1) -> None:
    """Confirmed readers of ``morning`` who all stand alike."""
    standing = Standing(cursor=0, first=False, topics={"*": 0})
    numbers = range(start, start + people)
    session.connection().execute(
        subscribers.subscribers.insert(),
        [
            {
                "id": number,
                "email": f"r{number}@example.org",
                "email_key": f"r{number}@example.org",
                "email_hash": f"h{number}",
                "domain": "example.org",
                "name": "",
                "created_at": now,
            }
            for number in numbers
        ],
    )
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
                "carry": [],
                "created_at": now,
            }
            for number in numbers
        ],
    )


def frozen(session: Session, now: datetime, *, period: str = "daily/1", max_seq: int = 1) -> int:
    """An issue to all of them; returns its id."""
    edition = FrozenEdition(
        key="e",
        language="en",
        subject="s",
        articles=[],
        message=b"",
        cohorts=[(cohort, ()) for cohort in cohorts(session, "morning", None)],
    )
    return freeze(
        session,
        digest="morning",
        period=period,
        frequencies=None,
        subject="s",
        max_seq=max_seq,
        editions=[edition],
        now=now,
    )


def waiting_jobs(session: Session) -> list[tuple[int, bool]]:
    """The jobs that wait: their batches, in order, and whether each is due."""
    rows = session.connection().execute(
        text(
            "SELECT CAST(args->>'batch_id' AS integer) AS batch, COALESCE(scheduled_at <= now(), true) AS due "
            "FROM procrastinate_jobs WHERE status = 'todo' ORDER BY 1"
        )
    )
    return [(row.batch, row.due) for row in rows]
