"""``plan``: what will go out, to whom and when; it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from publisher import Publisher
from sqlmodel import col, update
from world import utc

from syndicate.store.tables import SubscriberRow

NOW = utc("2026-11-21T12:00")


@pytest.fixture
def paper(tmp_path: Path, database_url: str) -> Iterator[Publisher]:
    paper = Publisher(
        tmp_path,
        database=database_url,
        frequencies=("daily", "weekly"),
        digest='timezone = "subscriber"\nholidays = ["2026-11-25"]\napproval = "hold"',
    ).write()
    services = paper.services(lambda: NOW)
    paper.subscribe(services, 3)
    with services.database.write() as session:
        for number, zone in enumerate(["Pacific/Auckland", "America/St_Johns"]):
            session.execute(
                update(SubscriberRow)
                .where(col(SubscriberRow.email) == f"reader{number}@example.org")
                .values(timezone=zone)
            )
    paper.article("a", date=NOW - timedelta(hours=3))
    paper.run("poll")
    yield paper
    paper.close()


def planned(paper: Publisher, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paper.run("plan", "--at", f"{NOW:%Y-%m-%dT%H:%M}", "--json", *words))
    return found


def test_the_next_days_stand_with_their_waves_and_what_is_new_so_far(paper: Publisher) -> None:
    found = planned(paper)
    daily = [issue for issue in found["issues"] if issue["period"].startswith("daily/")]
    first = daily[0]
    assert (first["period"], first["composed_at"]) == ("daily/2026-11-22", "2026-11-21T18:30:00.000000Z")
    assert [(wave["due_at"], wave["recipients"], list(wave["local"])) for wave in first["waves"]] == [
        ("2026-11-21T18:30:00.000000Z", 1, ["Pacific/Auckland"]),
        ("2026-11-22T07:30:00.000000Z", 1, [""]),
        ("2026-11-22T11:00:00.000000Z", 1, ["America/St_Johns"]),
    ]
    assert first["approval"] is True
    assert (first["recipients"], first["editions"], first["articles"]) == (3, 1, ["Story a"])
    assert first["size"] > 5_000
    assert len(daily) == 14
    assert {issue["period"]: issue["skipped"] for issue in daily if issue["skipped"]} == {
        "daily/2026-11-25": "a holiday (2026-11-25)"
    }
    assert all(issue["articles"] is None for issue in daily[1:])
    assert [issue["subscriptions"] for issue in found["issues"] if issue["period"].startswith("weekly/")] == [0, 0]


def test_it_is_told_in_words(paper: Publisher) -> None:
    told = paper.run("plan", "morning", "--at", "2026-11-21T12:00+00:00")
    assert "daily/2026-11-22 (daily at 07:30): 3 subscriptions, waits as a draft for its approval" in told
    assert "2026-11-22 11:00 UTC: 1 (America/St_Johns)" in told
    assert "so far 1 article for 3 recipients in 1 edition, " in told
    assert "daily/2026-11-25 (daily at 07:30): skipped, a holiday (2026-11-25)" in told


def test_it_writes_nothing(paper: Publisher) -> None:
    services = paper.services(lambda: datetime.now(UTC))
    tables = ("issues", "deliveries", "schedules", "subscriptions", "articles")

    def state() -> list[Any]:
        with services.database.read() as session:
            return [session.connection().exec_driver_sql(f"SELECT * FROM {name}").all() for name in tables]  # noqa: S608 - names of our own

    before = state()
    planned(paper)
    assert state() == before


def test_a_time_that_is_none_is_a_usage_error(paper: Publisher) -> None:
    assert "expected a time such as 2026-12-24T06:00" in paper.run("plan", "--at", "tomorrow", status=2)


def test_another_rhythm_in_words(tmp_path: Path) -> None:
    paper = Publisher(tmp_path, digest="").write()
    text = paper.config.read_text().replace(
        'frequencies = ["daily", "instant", "weekly", "monthly"]',
        'schedule = "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"\nschedule_from = 2026-12-01',
    )
    paper.config.write_text(text)
    found = planned(paper)
    assert [(issue["period"], issue["rhythm"]) for issue in found["issues"]] == [
        ("schedule/2026-12-01T07:30", "every other Tuesday at 07:30")
    ]
