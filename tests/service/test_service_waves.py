"""Each reader's own morning: one issue, its deliveries due in waves, and nobody gets two or none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from publisher import Publisher
from sqlmodel import col, select, update
from world import utc

from syndicate.model import DeliveryState, Issue, IssueState
from syndicate.pipeline.replay import replay
from syndicate.service import passes, sending
from syndicate.service.alarms import alarms
from syndicate.service.wiring import Services
from syndicate.store.issues import get_issue, list_issues
from syndicate.store.tables import DeliveryRow, IssueRow, SubscriberRow, SubscriptionRow
from syndicate.store.waves import waves_to_come

ZONES = {
    0: "Pacific/Auckland",  # UTC+13 in November
    1: "Asia/Kathmandu",  # UTC+5:45
    2: None,
    3: "America/St_Johns",  # UTC-3:30
    4: "Mars/Olympus",
}


class Desk:
    def __init__(self, paper: Publisher, now: str) -> None:
        self.paper = paper
        self.now = utc(now)
        self.services: Services = paper.services(lambda: self.now)

    def zones(self, zones: dict[int, str | None]) -> None:
        with self.services.database.write() as session:
            for number, zone in zones.items():
                session.execute(
                    update(SubscriberRow)
                    .where(col(SubscriberRow.email) == f"reader{number}@example.org")
                    .values(timezone=zone)
                )

    def tick(self, to: str | None = None) -> list[Issue]:
        """What the service does each second: compose what is due, deliver what is due."""
        if to is not None:
            self.now = utc(to)
        passes.poll(self.services)
        made = passes.compose_due(self.services).issues
        sending.deliver_due(self.services, stop=threading.Event())
        return made

    def got(self, issue_id: int) -> dict[str, datetime]:
        """When each reader's delivery was accepted."""
        with self.services.database.read() as session:
            rows = session.execute(
                select(SubscriberRow.email, DeliveryRow.finished_at)
                .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id))
                .where(DeliveryRow.issue_id == issue_id, DeliveryRow.state == DeliveryState.ACCEPTED.value)
            )
            return {row[0]: row[1] for row in rows}

    def mails(self) -> list[bytes]:
        folder = self.paper.folder / "outbox" / "new"
        return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


@pytest.fixture
def paper(tmp_path: Path, database_url: str) -> Iterator[Publisher]:
    paper = Publisher(
        tmp_path, database=database_url, frequencies=("daily", "weekly"), digest='timezone = "subscriber"'
    ).write()
    yield paper
    paper.close()


def desk_with(paper: Publisher, zones: dict[int, str | None], now: str = "2026-11-21T12:00", **more: str) -> Desk:
    desk = Desk(paper, now)
    paper.subscribe(desk.services, len(zones), **more)
    desk.zones(zones)
    paper.article("a", date=desk.now - timedelta(hours=3))
    return desk


def test_each_reader_gets_it_at_their_own_time(paper: Publisher) -> None:
    desk = desk_with(paper, ZONES)
    assert desk.tick("2026-11-21T18:00") == []
    (issue,) = desk.tick("2026-11-21T18:30")  # 07:30 of the 22nd in Auckland
    assert (issue.period, issue.recipients) == ("daily/2026-11-22", 5)
    assert list(desk.got(issue.id)) == ["reader0@example.org"]
    with desk.services.database.read() as session:
        waves = [(wave.due_at, wave.recipients) for wave in waves_to_come(session, issue.id, desk.now)]
        assert get_issue(session, issue.id).state is IssueState.RUNNING
    assert waves == [(utc("2026-11-22T01:45"), 1), (utc("2026-11-22T07:30"), 2), (utc("2026-11-22T11:00"), 1)]
    assert alarms(desk.services) == []
    for at in ("2026-11-22T01:44", "2026-11-22T01:45", "2026-11-22T07:30", "2026-11-22T10:59"):
        assert desk.tick(at) == []
        assert alarms(desk.services) == [], "what is not due yet is no backlog"
    assert len(desk.got(issue.id)) == 4
    desk.tick("2026-11-22T11:00")
    assert desk.got(issue.id) == {
        "reader0@example.org": utc("2026-11-21T18:30"),
        "reader1@example.org": utc("2026-11-22T01:45"),
        "reader2@example.org": utc("2026-11-22T07:30"),
        "reader3@example.org": utc("2026-11-22T11:00"),
        "reader4@example.org": utc("2026-11-22T07:30"),
    }
    with desk.services.database.read() as session:
        assert get_issue(session, issue.id).state is IssueState.FINISHED


def test_its_date_is_that_of_the_delivery_its_day_the_same_for_all(paper: Publisher) -> None:
    desk = desk_with(paper, ZONES)
    (issue,) = desk.tick("2026-11-21T18:30")
    desk.tick("2026-11-22T11:00")
    dates = {}
    for mail in desk.mails():
        parsed = message_from_bytes(mail)
        dates[str(parsed["To"]).partition("<")[2].rstrip(">")] = parsedate_to_datetime(parsed["Date"])
        assert b"22 November 2026" in mail
        assert b"21 November 2026" not in mail.partition(b"\r\n\r\n")[2].replace(b"=\r\n", b"").partition(b"Story a")[0]
    assert dates["reader0@example.org"] == utc("2026-11-21T18:30")
    assert dates["reader3@example.org"] == utc("2026-11-22T11:00")
    shown = replay(
        desk.services.database, desk.services.personal, desk.services.keyring, issue.id, "reader3@example.org"
    )
    sent = [mail.replace(b"\r\n", b"\n") for mail in desk.mails()]
    assert any(mail.endswith(shown.message.replace(b"\r\n", b"\n")) for mail in sent), "but for the trace fields"


def test_weekly_issues_come_on_each_readers_own_day(paper: Publisher) -> None:
    desk = desk_with(paper, {0: "Pacific/Auckland", 1: None}, frequency="weekly")
    assert desk.tick("2026-11-22T18:29") == []
    (issue,) = desk.tick("2026-11-22T18:30")  # Monday the 23rd, 07:30, in Auckland
    assert issue.period == "weekly/2026-W48"
    desk.tick("2026-11-23T07:30")
    assert len(desk.got(issue.id)) == 2


def test_a_manual_send_goes_to_all_at_once(paper: Publisher) -> None:
    desk = desk_with(paper, ZONES)
    passes.poll(desk.services)
    issue = passes.send(desk.services, "morning", wait=True, stop=threading.Event()).issue
    assert issue.period.startswith("manual/")
    assert len(desk.got(issue.id)) == 5


def test_who_leaves_before_their_wave_gets_nothing(paper: Publisher) -> None:
    desk = desk_with(paper, {0: "Pacific/Auckland", 1: None, 2: None})
    (issue,) = desk.tick("2026-11-21T18:30")
    with desk.services.database.write() as session:
        person = session.exec(select(SubscriberRow).where(SubscriberRow.email == "reader1@example.org")).one()
        session.execute(
            update(SubscriptionRow).where(col(SubscriptionRow.subscriber_id) == person.id).values(state="unsubscribed")
        )
    desk.tick("2026-11-22T07:30")
    assert sorted(desk.got(issue.id)) == ["reader0@example.org", "reader2@example.org"]


def test_two_processes_make_one_issue(paper: Publisher) -> None:
    desk = desk_with(paper, ZONES)
    other = Desk(paper, "2026-11-21T18:30")
    desk.tick("2026-11-21T18:00")
    assert len(desk.tick("2026-11-21T18:30") + other.tick()) >= 1
    with desk.services.database.read() as session:
        assert len(list_issues(session)) == 1


def test_after_a_day_without_service_what_was_missed_is_caught_up_once(paper: Publisher) -> None:
    desk = desk_with(paper, ZONES)
    desk.tick("2026-11-21T12:30")
    desk.tick("2026-11-23T12:00")
    with desk.services.database.read() as session:
        found = [(each.period, each.state) for each in list_issues(session) if each.period.startswith("daily/")]
    assert found == [
        ("daily/2026-11-23", IssueState.FINISHED),
        ("daily/2026-11-22", IssueState.SKIPPED),
    ]


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.generate],  # it takes seconds: what fails is told as it was found
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_nobody_gets_two_or_none_whatever_zones_they_move_to(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Three days, a look every three hours; readers move at any time, the clock may jump back, the service may rest."""
    folder = tmp_path_factory.mktemp("waves")
    paper = Publisher(folder, frequencies=("daily",), digest='timezone = "subscriber"').write()
    zone = st.sampled_from([*ZONES.values(), "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"])
    try:
        desk = desk_with(paper, {number: data.draw(zone) for number in range(3)}, now="2026-11-20T13:00")
        desk.tick()
        for step in range(28):
            desk.now += timedelta(hours=3)
            if data.draw(st.booleans()):
                desk.zones({data.draw(st.integers(0, 2)): data.draw(zone)})
            if data.draw(st.integers(0, 4)) == 0:
                continue  # the service rests
            paper.article(f"s{step}", date=desk.now - timedelta(minutes=5))
            desk.tick()
        desk.now += timedelta(hours=30)
        desk.tick()
        desk.now += timedelta(hours=30)  # the last waves of what is made
        sending.deliver_due(desk.services, stop=threading.Event())
        with desk.services.database.read() as session:
            rows = session.execute(
                select(SubscriberRow.email, IssueRow.period, DeliveryRow.state)
                .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id))
                .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
            ).all()
            made = [issue for issue in list_issues(session) if issue.state is not IssueState.SKIPPED]
    finally:
        paper.close()
    assert {state for _, _, state in rows} == {"accepted"}
    assert set(Counter((email, period) for email, period, _ in rows).values()) == {1}
    assert {len({email for email, period, _ in rows if period == issue.period}) for issue in made} == {3}
    assert made


def test_a_holiday_has_no_issue_and_its_articles_go_with_the_next(tmp_path: Path, database_url: str) -> None:
    paper = Publisher(
        tmp_path, database=database_url, frequencies=("daily",), digest='holidays = ["2026-11-22"]'
    ).write()
    try:
        desk = desk_with(paper, {0: None}, now="2026-11-22T06:00")
        desk.tick()
        assert desk.tick("2026-11-22T07:30") == []
        with desk.services.database.read() as session:
            (skipped,) = list_issues(session)
        assert (skipped.period, skipped.state) == ("daily/2026-11-22", IssueState.SKIPPED)
        assert skipped.reason == "a holiday (2026-11-22); its articles go with the next issue"
        (issue,) = desk.tick("2026-11-23T07:30")
        assert issue.recipients == 1
    finally:
        paper.close()


def test_a_run_waits_for_a_source_that_is_down_but_not_for_ever(tmp_path: Path, database_url: str) -> None:
    paper = Publisher(tmp_path, database=database_url, frequencies=("daily",), digest='grace = "30m"').write()
    try:
        desk = desk_with(paper, {0: None}, now="2026-11-22T06:00")
        desk.tick()
        folder = tmp_path / "articles"
        folder.rename(tmp_path / "gone")
        assert desk.tick("2026-11-22T07:30") == []
        assert desk.tick("2026-11-22T07:59") == []
        (tmp_path / "gone").rename(folder)
        paper.article("late", date=utc("2026-11-22T07:00"))
        desk.now = utc("2026-11-22T07:59")
        assert [issue.period for issue in desk.tick("2026-11-22T07:59:30")] == ["daily/2026-11-22"]
        folder.rename(tmp_path / "gone")
        desk.tick("2026-11-23T07:30")
        (issue,) = desk.tick("2026-11-23T08:00") or list_of(desk, "daily/2026-11-23")
        assert issue.period == "daily/2026-11-23"
    finally:
        paper.close()


def list_of(desk: Desk, period: str) -> list[Issue]:
    with desk.services.database.read() as session:
        return [issue for issue in list_issues(session) if issue.period == period]
