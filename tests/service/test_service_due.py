from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from publisher import Publisher
from sqlmodel import select
from world import utc

from syndicate.model import DeliveryState, Issue, IssueState
from syndicate.pipeline.compose.timetable import set_schedules
from syndicate.pipeline.members.subscribing import Wish, subscribe
from syndicate.service import passes, sending
from syndicate.service.status import read_status
from syndicate.service.wiring import Services
from syndicate.store.facts import failures
from syndicate.store.issues import change_state, list_issues
from syndicate.store.schedules import claim_poll
from syndicate.store.tables import DeliveryRow


class Desk:
    """A service whose clock the test moves."""

    def __init__(self, paper: Publisher, now: datetime) -> None:
        self.paper = paper
        self.now = now
        self.services = self.restart()

    def restart(self) -> Services:
        self.services = self.paper.services(lambda: self.now)
        return self.services

    def tick(self, to: str | None = None) -> list[Issue]:
        if to is not None:
            self.now = utc(to)
        passes.poll(self.services)
        return passes.compose_due(self.services).issues

    def issues(self) -> list[tuple[str, str]]:
        with self.services.database.read() as session:
            return [(issue.period, issue.state.value) for issue in reversed(list_issues(session))]


@pytest.fixture
def paper(tmp_path: Path, database_url: str) -> Iterator[Publisher]:
    paper = Publisher(tmp_path, database=database_url, frequencies=("daily",)).write()
    yield paper
    paper.close()


def desk_with(paper: Publisher, frequency: str = "daily", now: str = "2026-11-22T06:00") -> Desk:
    desk = Desk(paper, utc(now))
    paper.subscribe(desk.services, 2, frequency=frequency)
    paper.article("a", date=utc("2026-11-21T12:00"))
    return desk


def test_a_daily_run_is_composed_when_its_time_has_come_and_once(paper: Publisher) -> None:
    desk = desk_with(paper)
    assert desk.tick() == []
    assert desk.tick("2026-11-22T07:29") == []
    (issue,) = desk.tick("2026-11-22T07:30")
    assert (issue.period, issue.recipients) == ("daily/2026-11-22", 2)
    assert desk.tick("2026-11-22T07:31") == []
    desk.restart()
    assert desk.tick("2026-11-22T09:00") == []


def test_a_new_installation_does_not_send_what_was_due_before_it(paper: Publisher) -> None:
    desk = desk_with(paper, now="2026-11-22T12:00")
    assert desk.tick() == []
    assert read_status(desk.services).next_runs["morning/daily"] == utc("2026-11-23T07:30")


def test_missed_runs_are_caught_up_once_and_stand_with_their_reason(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    (issue,) = desk.tick("2026-11-25T10:00")
    assert issue.period == "daily/2026-11-25"
    assert (
        desk.issues()
        == [
            ("daily/2026-11-22", "skipped"),
            ("daily/2026-11-23", "skipped"),
            ("daily/2026-11-24", "skipped"),
            ("daily/2026-11-25", "running"),
        ]
        or sorted(desk.issues()) == desk.issues()
    )
    with desk.services.database.read() as session:
        reasons = {issue.reason for issue in list_issues(session, states=[IssueState.SKIPPED])}
    assert reasons == {"missed; its articles go with daily/2026-11-25"}


def test_without_catch_up_a_missed_run_is_skipped(paper: Publisher) -> None:
    paper.digest = "catch_up = false"
    desk = desk_with(paper.write())
    desk.tick()
    assert desk.tick("2026-11-22T10:00") == []
    assert desk.issues() == [("daily/2026-11-22", "skipped")]
    (issue,) = desk.tick("2026-11-23T07:30")
    assert issue.recipients == 2


def test_weekly_readers_get_theirs_on_their_day(paper: Publisher) -> None:
    paper.frequencies = ("daily", "weekly")
    desk = desk_with(paper.write(), "weekly")
    desk.tick()
    assert [issue.state for issue in desk.tick("2026-11-22T07:30")] == [IssueState.SKIPPED]  # nobody takes it daily
    monday = desk.tick("2026-11-23T07:30")
    assert [issue.recipients for issue in monday if issue.period == "weekly/2026-W48"] == [2]


def test_instant_readers_get_an_issue_as_articles_come_and_no_row_when_none_is_theirs(paper: Publisher) -> None:
    paper.frequencies = ("instant",)
    desk = desk_with(paper.write(), "instant")
    (issue,) = desk.tick()
    assert (issue.period, issue.recipients) == ("instant/0000000001", 2)
    assert desk.tick() == []
    paper.article("b", date=utc("2026-11-22T05:00"))
    (second,) = desk.tick()
    assert second.period == "instant/0000000002"
    assert [period for period, _ in desk.issues()] == ["instant/0000000001", "instant/0000000002"]


def test_a_schedule_replaces_frequencies(paper: Publisher) -> None:
    paper.config.write_text(
        paper.config.read_text()
        .replace('frequencies = ["daily"]\n', 'schedule = "15 9 * * 1-5"\n')
        .replace('send_at = "07:30"\n', "")
    )
    desk = desk_with(paper)
    desk.tick()
    assert desk.tick("2026-11-22T10:00") == []  # a Sunday
    (issue,) = desk.tick("2026-11-23T09:15")
    assert (issue.period, issue.recipients) == ("schedule/2026-11-23T09:15", 2)


def test_a_changed_time_counts_from_now_on(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    paper.config.write_text(paper.config.read_text().replace("07:30", "09:00"))
    desk.restart()
    assert desk.tick("2026-11-22T07:30") == []
    assert [issue.period for issue in desk.tick("2026-11-22T09:00")] == ["daily/2026-11-22"]


def test_a_digest_that_is_gone_takes_its_schedules_with_it(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    paper.config.write_text(paper.config.read_text().replace("digest.morning", "digest.evening"))
    desk.restart()
    assert set(set_schedules(desk.services.database, desk.services.settings, desk.now)) == {"digest/evening/daily"}


def test_a_broken_template_stays_due_raises_the_alarm_and_is_made_up_for(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    own = paper.folder / "templates" / "digest"
    own.mkdir(parents=True)
    (own / "digest.html").write_text("{% if %}")
    assert desk.tick("2026-11-22T07:30") == []
    assert read_status(desk.services).alarms == []
    desk.now += timedelta(hours=1)
    (alarm,) = read_status(desk.services).alarms
    assert "digest morning/daily was due 1h ago and was not composed: " in alarm
    assert "digest.html, line 1" in alarm
    (own / "digest.html").unlink()
    (issue,) = desk.tick()
    assert (issue.period, issue.recipients) == ("daily/2026-11-22", 2)
    assert read_status(desk.services).alarms == []


def test_an_instant_digest_that_cannot_be_composed_raises_the_alarm_also_after_a_restart(paper: Publisher) -> None:
    paper.frequencies = ("instant",)
    desk = desk_with(paper.write(), "instant")
    own = paper.folder / "templates" / "digest"
    own.mkdir(parents=True)
    (own / "digest.html").write_text("one\n{% if %}")
    assert desk.tick() == []
    assert read_status(desk.services).alarms == []
    assert "line 2" in read_status(desk.services).not_composed["morning"].error
    desk.now += timedelta(hours=1)
    desk.restart()
    desk.tick()
    (alarm,) = read_status(desk.services).alarms
    assert "digest morning could not be composed for 1h: " in alarm
    assert "digest.html, line 2" in alarm
    (own / "digest.html").unlink()
    desk.now += timedelta(hours=1)
    (issue,) = desk.tick()
    assert issue.recipients == 2
    assert (read_status(desk.services).alarms, read_status(desk.services).not_composed) == ([], {})


def test_a_failed_digest_that_is_no_longer_configured_is_forgotten(paper: Publisher) -> None:
    paper.frequencies = ("instant",)
    desk = desk_with(paper.write(), "instant")
    own = paper.folder / "templates" / "digest"
    own.mkdir(parents=True)
    (own / "digest.html").write_text("{% if %}")
    desk.tick()
    paper.config.write_text(paper.config.read_text().replace("digest.morning", "digest.evening"))
    desk.now += timedelta(hours=2)
    desk.restart()
    assert read_status(desk.services).alarms == []
    desk.tick()
    with desk.services.database.read() as session:
        assert set(failures(session)) <= {"evening"}


def test_readers_who_get_nothing_are_told_without_an_alarm(paper: Publisher) -> None:
    paper.frequencies = ("daily", "weekly")
    desk = desk_with(paper.write(), "weekly")
    paper.frequencies = ("daily",)
    paper.write()
    desk.restart()
    status = read_status(desk.services)
    (told,) = status.unserved
    assert str(told) == (
        "2 readers of digest morning get nothing: no longer offered 'weekly'; "
        "they keep their place and get what is new since, once it is again"
    )
    assert status.alarms == []


def test_confirmation_mails_that_do_not_leave_are_an_alarm(paper: Publisher) -> None:
    desk = desk_with(paper)
    wish = Wish(email="new@example.org", digest="morning", operator=True, via="cli")
    subscribe(desk.services.database, desk.services.settings, desk.services.keyring, wish, now=desk.now)
    assert read_status(desk.services).alarms == []
    desk.now += timedelta(hours=1)
    assert any("confirmation mails have been due for 1h" in alarm for alarm in read_status(desk.services).alarms)
    sending.confirm_due(desk.services, stop=threading.Event())
    assert read_status(desk.services).alarms == []


def test_a_running_issue_has_its_pace(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    (issue,) = desk.tick("2026-11-22T07:30")
    assert read_status(desk.services).paces == []
    desk.now += timedelta(seconds=10)
    sending.deliver_due(desk.services, stop=threading.Event())
    with desk.services.database.write() as session:
        row = session.exec(select(DeliveryRow)).all()[0]
        row.state, row.finished_at = DeliveryState.QUEUED, None
        session.add(row)
        change_state(session, issue.id, expected=[IssueState.FINISHED], to=IssueState.RUNNING, now=desk.now)
    desk.now += timedelta(seconds=10)
    (pace,) = read_status(desk.services).paces
    assert (pace.issue, pace.accepted_per_second, pace.waiting) == (issue.id, 0.1, 1)
    assert pace.done_at == desk.now + timedelta(seconds=10)
    assert read_status(desk.services).document()["rates"][0]["accepted_per_minute"] == 6


def about_sources(desk: Desk) -> list[str]:
    return [alarm for alarm in read_status(desk.services).alarms if alarm.startswith("source ")]


def test_a_source_whose_reading_never_ends_is_an_alarm(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    with desk.services.database.write() as session:
        claim_poll(session, "stories", interval=timedelta(minutes=5), now=desk.now)
    desk.now += timedelta(minutes=30)
    assert not about_sources(desk)
    desk.now += timedelta(hours=2, seconds=7)
    (alarm,) = about_sources(desk)
    assert alarm.startswith("source stories was due 2h25m ago and was not read to its end")
    passes.poll(desk.services)
    assert not about_sources(desk)


def test_a_source_that_stays_broken_is_an_alarm(paper: Publisher) -> None:
    desk = desk_with(paper)
    desk.tick()
    (paper.folder / "articles").rename(paper.folder / "gone")
    (result,) = passes.poll(desk.services)
    assert result.error
    assert read_status(desk.services).alarms == []
    desk.now += timedelta(hours=2)
    passes.poll(desk.services)
    assert any("source stories has been broken for 2h" in alarm for alarm in read_status(desk.services).alarms)
    (paper.folder / "gone").rename(paper.folder / "articles")
    passes.poll(desk.services)
    assert read_status(desk.services).alarms == []
