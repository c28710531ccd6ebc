"""Webhooks: owed with what they tell of, signed, tried again, given up; and what a receiver does that misbehaves."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_site import ApiSite
from hypothesis import given
from hypothesis import strategies as st
from members_setup import rows
from web_servers import Answer, Received, WebServer

from syndicate.core.webhooks import DELAYS, retry_after
from syndicate.errors import UnknownNameError
from syndicate.model import Keyring, WebhookEvent
from syndicate.pipeline import webhooks
from syndicate.pipeline.upkeep import prune
from syndicate.store import outbox
from syndicate.store.engine import Database
from syndicate.store.issues import finish_issues

SECRET = "whsec_" + base64.b64encode(b"the secret of the tests, 32 byte").decode()
EVENTS = [event.value for event in WebhookEvent]


def taken(_request: Received) -> Answer:
    return Answer(status=204)


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with WebServer(taken) as server:
        yield server


def site_with(database: Database, keyring: Keyring, now: datetime, base: Path, url: str, **hook: Any) -> ApiSite:
    section = {"url": url, "events": EVENTS, "secret": SECRET, "allow_private": True, **hook}
    return ApiSite(database, keyring, now, base, webhook={"crm": section})


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer) -> ApiSite:
    return site_with(database, keyring, now, tmp_path, f"{receiver.url}/hook")


@pytest.fixture
def sqlite_site(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer
) -> ApiSite:
    return site_with(sqlite_database, keyring, now, tmp_path, f"{receiver.url}/hook")


def call(site: ApiSite) -> webhooks.Called:
    return webhooks.call(site.database, site.settings, "crm", clock=lambda: site.now, stop=threading.Event())


def told(receiver: WebServer) -> list[dict[str, Any]]:
    """By their numbers: those that are due at once go out side by side."""
    return [json.loads(request.body) for request in sorted(receiver.posts(), key=number_of)]


def number_of(request: Received) -> int:
    return int(request.headers["webhook-id"].removeprefix("msg_"))


def messages(site: ApiSite) -> list[tuple[Any, ...]]:
    return rows(site.database, "SELECT event, state, attempts, status FROM webhook_messages ORDER BY id")


def test_what_happens_to_a_reader_is_told_without_the_address(site: ApiSite, receiver: WebServer) -> None:
    site.client.post("/api/v1/subscribers", json={"email": "ann.brand@example.org", "digest": "morning"})
    site.subscriber()
    site.client.delete("/api/v1/subscribers/1/subscriptions/morning")
    assert call(site).delivered == 4
    assert [each["type"] for each in told(receiver)] == ["subscribed", "subscribed", "confirmed", "unsubscribed"]
    assert told(receiver)[2] == {
        "type": "confirmed",
        "timestamp": "2026-11-22T08:00:00.000000Z",
        "data": {"subscriber_id": 1, "digest": "morning", "state": "confirmed", "via": "api"},
    }
    assert b"ann.brand" not in b"".join(request.body for request in receiver.posts())
    assert "ann.brand" not in str(rows(site.database, "SELECT * FROM webhook_messages"))
    assert call(site).delivered == 0


def test_the_signature_is_that_of_standard_webhooks(sqlite_site: ApiSite, receiver: WebServer) -> None:
    sqlite_site.subscriber()
    call(sqlite_site)
    request = receiver.posts()[0]
    head = request.headers
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{expected}"
    assert head["content-type"] == "application/json"
    assert int(head["webhook-timestamp"]) == int(sqlite_site.now.timestamp())


def test_the_address_is_put_in_where_it_is_asked_for_and_not_after_an_erasure(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer
) -> None:
    site = site_with(sqlite_database, keyring, now, tmp_path, receiver.url, email=True, events=["confirmed"])
    site.subscriber()
    call(site)
    assert told(receiver)[0]["data"]["email"] == "ann.brand@example.org"
    site.subscriber("ben@example.org")
    site.client.delete("/api/v1/subscribers/2")
    call(site)
    assert told(receiver)[1]["data"]["email"] is None


def test_an_issue_that_is_finished_is_told_with_its_sums(site: ApiSite, receiver: WebServer) -> None:
    site.article()
    site.subscriber()
    issue = site.send().json()
    with site.database.write() as session:
        session.connection().exec_driver_sql("UPDATE deliveries SET state = 'accepted'")
        assert finish_issues(session, site.now) == [issue["id"]]
    call(site)
    last = told(receiver)[-1]
    assert last["type"] == "issue_finished"
    assert last["data"]["issue"] == issue["id"]
    assert last["data"]["counts"]["accepted"] == last["data"]["recipients"] == 1


def test_what_is_rolled_back_is_not_told(site: ApiSite) -> None:
    def fail() -> None:
        with site.database.write() as session:
            outbox.emit(session, WebhookEvent.CONFIRMED, {}, site.now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert messages(site) == []


def test_only_the_events_that_are_asked_for(
    database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer
) -> None:
    site = site_with(database, keyring, now, tmp_path, receiver.url, events=["unsubscribed"])
    site.subscriber()
    assert messages(site) == []


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (Answer(status=500), 500, "it answered 500"),
        (Answer(status=302, headers={"location": "https://elsewhere.example/"}), 302, "it answered 302"),
        (Answer(close=True), None, ""),
        (Answer(status=200, body=b"x", length=10), None, ""),
    ],
    ids=["500", "redirect", "breaks off", "lies about its length"],
)
def test_what_is_not_taken_is_tried_again(
    sqlite_site: ApiSite, receiver: WebServer, answer: Answer, status: int | None, error: str
) -> None:
    site = sqlite_site
    site.subscriber()
    receiver.answer = lambda _request: answer
    assert call(site).failed == 2
    state, attempts, code, said = rows(site.database, "SELECT state, attempts, status, error FROM webhook_messages")[0]
    assert (state, attempts, code) == ("owed", 1, status)
    assert error in str(said)
    assert call(site).failed == 0  # not yet
    receiver.answer = taken
    site.now += timedelta(seconds=6)
    assert call(site).delivered == 2
    first, last = sorted(receiver.posts(), key=lambda request: (number_of(request), request.at))[:2]
    assert first.headers["webhook-id"] == last.headers["webhook-id"]
    assert first.body == last.body
    assert first.headers["webhook-signature"] != last.headers["webhook-signature"]  # of another second
    assert rows(site.database, "SELECT count(*) FROM webhook_attempts") == [(4,)]


def test_a_receiver_that_never_takes_anything_is_given_up_and_can_be_retried(
    sqlite_site: ApiSite, receiver: WebServer
) -> None:
    site = sqlite_site
    site.subscriber()
    receiver.answer = lambda _request: Answer(status=503)
    began = site.now
    while any(state == "owed" for _, state, _, _ in messages(site)):
        call(site)
        site.now += timedelta(minutes=30)
        assert site.now - began < timedelta(days=3)
    assert site.now - began > timedelta(days=1)
    assert [attempts for _, _, attempts, _ in messages(site)] == [len(DELAYS) + 1] * 2
    receiver.answer = taken
    with site.database.write() as session:
        assert outbox.owe_again(session, "crm", site.now) == 2
    assert call(site).delivered == 2


def test_gone_is_given_up_at_once_and_retry_after_is_heeded(sqlite_site: ApiSite, receiver: WebServer) -> None:
    site = sqlite_site
    site.subscriber()
    replies = iter([Answer(status=410), Answer(status=429, headers={"retry-after": "3600"})])
    receiver.answer = lambda _request: next(replies)
    called = call(site)
    assert (called.failed, called.given_up) == (2, 1)
    due = rows(site.database, "SELECT due_at FROM webhook_messages WHERE state = 'owed'")[0][0]
    assert str(due).startswith("2026-11-22 09:00:00")


def test_one_that_is_down_is_not_asked_for_everything(sqlite_site: ApiSite, receiver: WebServer) -> None:
    for number in range(10):
        sqlite_site.subscriber(f"r{number}@example.org")
    receiver.answer = lambda _request: Answer(status=502)
    called = call(sqlite_site)
    assert (called.delivered, called.failed, called.error) == (0, 4, "it answered 502")
    assert len(receiver.posts()) == 4
    receiver.answer = taken
    assert call(sqlite_site).delivered == 16


@pytest.mark.parametrize(
    ("answer", "taken_anyway"),
    [
        (Answer(status=200, body=b"x" * 100, drip=0.2), False),
        (Answer(status=200, wait=30), False),
        (Answer(status=200, body=b"x" * 50_000_000), True),
        (Answer(status=200, headers={"x-long": "x" * 200_000}), False),
        (Answer(status=200, body=gzip.compress(b"x" * 50_000_000), headers={"content-encoding": "gzip"}), True),
    ],
    ids=["byte by byte", "hangs", "endless", "head too long", "bomb"],
)
def test_whatever_it_answers_costs_little(
    sqlite_site: ApiSite,
    receiver: WebServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    taken_anyway: bool,
) -> None:
    monkeypatch.setattr(webhooks, "_SECONDS", 1.0)
    sqlite_site.subscriber()
    receiver.answer = lambda _request: answer
    called = call(sqlite_site)
    assert (called.delivered, called.failed) == ((2, 0) if taken_anyway else (0, 2))
    spent = rows(sqlite_site.database, "SELECT max(milliseconds) FROM webhook_attempts")[0][0]
    assert spent < 10_000


def test_no_private_address_is_called_unless_that_is_allowed(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer
) -> None:
    site = site_with(sqlite_database, keyring, now, tmp_path, receiver.url, allow_private=False)
    site.subscriber()
    assert call(site).failed == 2
    assert receiver.received == []


def test_a_message_of_a_process_that_died_is_sent_by_another(site: ApiSite, receiver: WebServer) -> None:
    site.subscriber()
    with site.database.write() as session:
        taken_up = outbox.take_messages(session, "dead", site.now, 10, "crm")
    assert len(taken_up) == 2
    assert call(site).delivered == 0
    site.now += timedelta(minutes=3)
    assert call(site).delivered == 2
    with site.database.write() as session:  # and what the dead one says now counts no more
        late = outbox.tried(
            session,
            taken_up[0],
            "dead",
            state="owed",
            due_at=site.now,
            status=500,
            error="x",
            milliseconds=1,
            now=site.now,
        )
    assert late is False
    assert len(receiver.posts()) == 2


def test_two_processes_send_no_message_twice(
    database: Database, keyring: Keyring, now: datetime, tmp_path: Path, receiver: WebServer
) -> None:
    site = site_with(database, keyring, now, tmp_path, receiver.url, events=["confirmed"])
    for number in range(12):
        site.subscriber(f"r{number}@example.org")
    receiver.answer = lambda _request: Answer(status=204, wait=0.05)
    threads = [threading.Thread(target=call, args=(site,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [request.headers["webhook-id"] for request in receiver.posts()]
    assert len(ids) == len(set(ids)) == 12


def test_a_test_message_says_what_was_answered(sqlite_site: ApiSite, receiver: WebServer) -> None:
    tried = webhooks.test(sqlite_site.database, sqlite_site.settings, "crm", clock=lambda: sqlite_site.now)
    assert (tried.status, tried.error) == (204, None)
    assert told(receiver)[0]["type"] == "test"
    with pytest.raises(UnknownNameError, match="there is: crm"):
        webhooks.test(sqlite_site.database, sqlite_site.settings, "other", clock=lambda: sqlite_site.now)


def test_the_log_is_kept_for_its_time(sqlite_site: ApiSite) -> None:
    sqlite_site.subscriber()
    call(sqlite_site)
    prune(sqlite_site.database, sqlite_site.settings, sqlite_site.now + timedelta(days=29))
    assert len(messages(sqlite_site)) == 2
    prune(sqlite_site.database, sqlite_site.settings, sqlite_site.now + timedelta(days=31))
    assert messages(sqlite_site) == []
    assert rows(sqlite_site.database, "SELECT count(*) FROM webhook_attempts") == [(0,)]


@given(st.integers(1, 40), st.floats(0, 1), st.one_of(st.none(), st.timedeltas(timedelta(), timedelta(days=400))))
def test_waits_grow_and_are_bounded(attempts: int, jitter: float, asked: timedelta | None) -> None:
    wait = retry_after(attempts, jitter=jitter, asked=asked)
    if attempts > len(DELAYS):
        assert wait is None
        return
    assert wait is not None
    assert DELAYS[attempts - 1] <= wait <= max(DELAYS[attempts - 1] * 1.11, timedelta(days=1))
