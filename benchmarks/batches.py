"""Bytes per delivery row with its indexes, and what batches cost: freezing, taking rows, looking for lost jobs.

python benchmarks/batches.py [ROWS] [DATABASE_URL]
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import select

from syndicate.store.batches import claim
from syndicate.store.cohorts import cohorts
from syndicate.store.deliveries import take
from syndicate.store.due import Span
from syndicate.store.engine import Database
from syndicate.store.freeze import FrozenEdition, freeze
from syndicate.store.holders import register_holder
from syndicate.store.jobs import sweep
from syndicate.store.schema import upgrade
from syndicate.store.tables import BatchRow

ACCEPTED = (
    "UPDATE deliveries SET state = 'accepted', holder = '0123456789abcdef0123456789abcdef', attempts = 1, "
    "first_marked_at = :now, marked_at = :now, finished_at = :now, relay = 'relay.courier.example:25', "
    "reply_code = 250, reply = '2.0.0 Ok: queued as 4dHkQz1qPWz9rxh' WHERE id BETWEEN :first AND :last"
)


NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :people)"
SUBSCRIBERS = (
    "INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, created_at) "
    f"{NUMBERS} SELECT i, 'reader' || i || '@example.org', 'reader' || i || '@example.org', "
    "'JpmTFwvS0yhXb7BfMdQ2tKcGnZ5aL8rUeVoH1iYxW' || i, 'example.org', 'Reader ' || i, :now FROM numbers"
)
SUBSCRIPTIONS = (
    "INSERT INTO subscriptions (subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq, carry, "
    "created_at, confirmed_at) "
    f"{NUMBERS} SELECT i, 'morning', 'confirmed', 'daily', '{{\"*\":0}}', 0, false, 0, '[]', :now, :now FROM numbers"
)


def fill(database: Database, people: int, now: datetime) -> None:
    for statement in (SUBSCRIBERS, SUBSCRIPTIONS):
        with database.write() as session:
            session.connection().execute(text(statement.replace('":0', '"\\:0')), {"people": people, "now": now})


def size(database: Database) -> dict[str, int]:
    """Bytes of the deliveries; SQLite tells only of the whole file."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.dialect == "sqlite":
            pages, page = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
            free = connection.scalar(text("PRAGMA freelist_count"))
            return {"all": (pages - free) * page}
        return {
            "rows": connection.scalar(text("SELECT pg_table_size('deliveries')")),
            "indexes": connection.scalar(text("SELECT pg_indexes_size('deliveries')")),
            "all": connection.scalar(text("SELECT pg_total_relation_size('deliveries')")),
        }


def per_row(database: Database, before: dict[str, int], rows: int) -> dict[str, float]:
    return {name: round((value - before[name]) / rows, 1) for name, value in size(database).items()}


def frozen(database: Database, now: datetime, period: str) -> tuple[int, float]:
    with database.write(snapshot=True) as session:
        groups = [(cohort, ()) for cohort in cohorts(session, "morning", None)]
        edition = FrozenEdition(key="e", language="en", subject="s", articles=[], message=b"", cohorts=groups)
        began = time.perf_counter()
        issue_id = freeze(
            session,
            digest="morning",
            period=period,
            frequencies=None,
            subject="s",
            max_seq=1,
            editions=[edition],
            now=now,
        )
    return issue_id, time.perf_counter() - began


def accept_in_groups(database: Database, rows: int, now: datetime) -> None:
    """As sending does, group by group, with what vacuum makes of it."""
    for first in range(1, rows + 1, 10_000):
        with database.write() as session:
            session.connection().execute(text(ACCEPTED), {"now": now, "first": first, "last": first + 9_999})
        if database.dialect == "postgresql":
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM deliveries")


def taking(database: Database, issue_id: int, now: datetime) -> float:
    """Milliseconds to take 40 rows of a batch, right after the freeze; the median over a batch in the middle."""
    with database.write() as session:
        batches = session.exec(select(BatchRow)).all()
        batch = batches[len(batches) // 2]
        register_holder(session, "me", host="h", pid=1, now=now)
        assert batch.id is not None
        assert claim(session, batch.id, holder="me", now=now) is not None
    span = Span(batch.first_id, batch.last_id, batch.first_id)
    took = []
    while True:
        with database.write() as session:
            began = time.perf_counter()
            found = take(session, holder="me", now=now, limit=40, issues=[issue_id], span=span)
            took.append(time.perf_counter() - began)
        if not found:
            return round(statistics.median(took) * 1000, 2)


def sweeping(database: Database, now: datetime) -> tuple[float, float]:
    """Seconds of a look when every batch has its job, and when all jobs were lost."""
    took = []
    for lost in (False, True):
        with database.write() as session:
            if lost:
                session.connection().execute(text("DELETE FROM procrastinate_jobs"))
            began = time.perf_counter()
            sweep(session, now)
            took.append(round(time.perf_counter() - began, 3))
    return took[0], took[1]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/subscribers.db")
        upgrade(database)
        fill(database, rows, now)
        before = size(database)
        issue_id, took = frozen(database, now, "daily/1")
        found = {
            "benchmark": "batches",
            "database": database.dialect,
            "rows": rows,
            "seconds_to_freeze": round(took, 2),
            "bytes_per_row_frozen": per_row(database, before, rows),
        }
        if database.dialect == "postgresql":
            found["ms_to_take_40_unanalysed"] = taking(database, issue_id, now)
            found["seconds_to_sweep"], found["seconds_to_sweep_when_all_jobs_were_lost"] = sweeping(database, now)
        accept_in_groups(database, rows, now)
        found["bytes_per_row_accepted"] = per_row(database, before, rows)
        found["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
        print(json.dumps(found, indent=2))
        database.close()


if __name__ == "__main__":
    main()
