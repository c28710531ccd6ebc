"""Relays and limits as they are configured, and how an operator sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from publisher import Publisher
from smtp_faults import FaultServer
from smtp_server import RecordingServer
from sqlmodel import select
from world import utc

from syndicate.cli.commands.service import _limit_line
from syndicate.config import Settings
from syndicate.core.limits import Limit
from syndicate.errors import RelayError
from syndicate.model import DeliveryState, IssueState, Rate
from syndicate.pipeline.deliver.failover import FirstThatWorks
from syndicate.pipeline.members.subscribing import Wish, subscribe
from syndicate.service import passes, sending
from syndicate.service.alarms import alarms
from syndicate.service.clock import Clock
from syndicate.service.limits import LimitStatus, limits_of
from syndicate.service.status import read_status
from syndicate.service.wiring import Services
from syndicate.store.issues import list_issues
from syndicate.store.tables import ConfirmationRow

NOW = utc("2026-11-22T08:00")
DOWN = 1  # a port of 127.0.0.1 that nobody listens on


def relay(name: str, port: int, more: str = "") -> str:
    return f'[[smtp]]\nname = "{name}"\nhost = "127.0.0.1"\nport = {port}\ntls_type = "none"\nmax_conns = 2\n{more}\n'


class Office:
    """A publisher with mail servers, and a clock that the test moves."""

    def __init__(self, folder: Path, *relays: str, throttles: str = "", readers: int = 12) -> None:
        self.paper = Publisher(folder, transport="smtp", more="".join(relays) + throttles).write()
        self.now = NOW
        self.services: Services = self.paper.services(lambda: self.now)
        self.paper.subscribe(self.services, readers)
        self.paper.article("a", date=self.now - timedelta(hours=1))
        passes.poll(self.services)

    def deliver(self, *, insist: bool = False) -> list[str]:
        told: list[str] = []
        sending.deliver_due(self.services, stop=threading.Event(), insist=insist, tell=told.append)
        return told

    def compose(self) -> None:
        passes.send(self.services, "morning", wait=False, stop=threading.Event())

    def limits(self) -> list[LimitStatus]:
        return read_status(self.services).limits

    def accepted(self) -> int:
        with self.services.database.read() as session:
            return sum(issue.counts.accepted for issue in list_issues(session))


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def settings(**more: object) -> Settings:
    return Settings.model_validate({"delivery": {"transport": "smtp"}, **more})


def test_limits_are_found_by_the_domain_as_addresses_have_it() -> None:
    limits = limits_of(
        settings(
            smtp=[{"host": "a.example", "max_conns": 4, "rate": "10/1s"}, {"host": "b.example", "max_conns": 3}],
            throttle={"GMail.com": {"rate": "100/1m", "also": ["googlemail.com"]}, "mühle.example": {"connections": 2}},
        )
    )
    assert limits.domains == {
        "gmail.com": "GMail.com",
        "googlemail.com": "GMail.com",
        "xn--mhle-0ra.example": "mühle.example",
    }
    assert limits.destinations["GMail.com"] == Limit(rate=Rate(100, timedelta(minutes=1)))
    assert limits.relays == {"a.example:25": Limit(rate=Rate(10, timedelta(seconds=1)))}
    assert limits.max_conns == {"a.example:25": 4, "b.example:25": 3}
    assert limits.widest == 7


def test_a_maildir_has_no_limits() -> None:
    assert limits_of(Settings.model_validate({"throttle": {"mail.example": {"rate": "1/1h"}}})).any is False


def test_a_relay_that_is_down_is_shown_with_its_reason(tmp_path: Path, server: RecordingServer) -> None:
    office = Office(tmp_path, relay("down", DOWN), relay("up", server.port))
    office.compose()
    told = office.deliver()
    assert office.accepted() == 12
    assert any("left alone until 08:00:05 UTC" in line for line in told)
    (status,) = office.limits()
    assert (status.what, status.paused_until) == ("relay down", NOW + timedelta(seconds=5))
    assert "no connection to 127.0.0.1 port 1" in (status.reason or "")
    assert _limit_line(status).startswith("relay down: paused until ")
    assert read_status(office.services).document()["limits"][0]["what"] == "relay down"
    office.paper.close()


def test_confirmation_mails_go_through_the_first_relay_that_works(tmp_path: Path, server: RecordingServer) -> None:
    office = Office(tmp_path, relay("down", DOWN), relay("up", server.port), readers=1)
    services = office.services
    wish = Wish(email="new@example.org", digest="morning")
    subscribe(services.database, services.settings, services.keyring, wish, now=NOW)
    sending.confirm_due(services, stop=threading.Event())
    assert len(server.sent_to("new@example.org")) == 1
    with services.database.read() as session:
        (row,) = session.execute(select(ConfirmationRow)).scalars()
    assert row.state == DeliveryState.ACCEPTED.value
    office.paper.close()


def test_when_no_relay_works_the_first_ones_reason_is_told(tmp_path: Path) -> None:
    office = Office(tmp_path, relay("one", DOWN), relay("two", DOWN), readers=1)
    assert isinstance(office.services.sender, FirstThatWorks)
    with pytest.raises(RelayError, match="relay one: no connection"):
        office.services.sender.connect()
    office.paper.close()


def test_a_warm_up_is_shown_and_raises_no_alarm(tmp_path: Path, server: RecordingServer) -> None:
    office = Office(tmp_path, relay("new", server.port, "warm_up = [5, 100]"))
    office.compose()
    office.deliver()
    assert office.limits() == [LimitStatus(what="relay new", day=1, taken=5, allowed=5)]
    assert _limit_line(office.limits()[0]) == "relay new: day 1 of its warm-up, 5 of 5 messages"
    office.now += timedelta(hours=2)
    assert not any("have been due" in alarm for alarm in alarms(office.services))
    office.now = NOW + timedelta(days=1)
    assert office.limits() == [LimitStatus(what="relay new", day=2, taken=0, allowed=100)]
    office.deliver()
    assert office.accepted() == 12
    office.paper.close()


def test_a_relay_that_fails_for_long_is_an_alarm(tmp_path: Path) -> None:
    office = Office(tmp_path, relay("down", DOWN, "warm_up = [5]"))
    office.compose()
    office.deliver()
    office.now += timedelta(hours=2)
    assert any("deliveries have been due for 2h" in alarm for alarm in alarms(office.services))
    office.paper.close()


def test_the_service_leaves_a_relay_alone_that_failed(tmp_path: Path) -> None:
    with FaultServer() as server:
        office = Office(tmp_path, relay("down", DOWN))
        office.compose()
        clock = Clock(office.services)
        with pytest.raises(RelayError):
            clock.deliver()
        office.services.settings.smtp[0].__dict__["port"] = server.port
        clock.deliver()
        assert server.seen.connections == 0
        office.now += timedelta(seconds=6)
        del office.services.__dict__["senders"]
        clock.deliver()
        assert len(server.seen.messages) == 12
    office.paper.close()


def test_a_command_waits_for_turns_and_leaves_what_is_far_away(tmp_path: Path, server: RecordingServer) -> None:
    throttle = '[throttle."example.org"]\nrate = "20/4s"\n'
    office = Office(tmp_path, relay("up", server.port), throttles=throttle, readers=10)
    began = time.monotonic()
    office.services.clock = lambda: NOW + timedelta(seconds=time.monotonic() - began)
    result = passes.send(office.services, "morning", wait=True, stop=threading.Event())
    assert (result.issue.state, result.issue.counts.accepted) == (IssueState.FINISHED, 10)
    assert time.monotonic() - began > 1.5
    office.paper.close()

    office.paper.more = relay("up", server.port) + throttle.replace("20/4s", "1/1h")
    office.paper.write()
    services = office.paper.services(lambda: datetime.now(UTC))
    office.paper.article("b")
    passes.poll(services)
    told: list[str] = []
    result = passes.send(services, "morning", wait=True, stop=threading.Event(), tell=told.append)
    assert (result.issue.state, result.stopped_by) == (IssueState.RUNNING, None)
    assert result.issue.counts.queued >= 9
    assert told[-1].startswith("the next deliveries have their turn at ")
    services.close()


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            LimitStatus(what="domain mail.example", reason="421 4.7.0", share=0.5),
            "domain mail.example: slowed, 50% of its rate and connections (421 4.7.0)",
        ),
        (
            LimitStatus(what="domain mail.example", reason="421", paused_until=NOW, share=0.25),
            "domain mail.example: paused until 2026-11-22 08:00:00+00:00, 25% of its rate and connections (421)",
        ),
    ],
)
def test_a_limit_in_words(status: LimitStatus, line: str) -> None:
    assert _limit_line(status) == line
