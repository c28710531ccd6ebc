"""The web part as a real process, asked over a real socket."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from publisher import Publisher
from running import free_port, until

from syndicate.config.load import load_settings
from syndicate.core.links import Purpose, sign
from syndicate.model import SubscriptionState
from syndicate.pipeline.members.subscribing import Wish, subscribe
from syndicate.service.wiring import Services
from syndicate.store import subscribers

CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
[service]
min_free_disk = "0 MB"
[feed.all]
[digest.morning]
frequencies = ["daily", "weekly"]
[delivery]
from = "The Harbour Courier <news@courier.example>"
"""
PROGRAM = """
import os, sys, uvicorn
from pathlib import Path
from syndicate.config.load import load_settings
from syndicate.service.wiring import Services
from syndicate.web.app import make_app
settings = load_settings(Path(sys.argv[1]), {})
uvicorn.run(make_app(Services(settings)), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "config.toml").write_text(CONFIG)
    made = Services(load_settings(tmp_path / "config.toml", {}))
    yield made
    made.close()


@pytest.fixture
def port(services: Services, tmp_path: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "config.toml"), str(number)], stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(number, "GET", "/healthz")
                break
            except OSError:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield number
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert errors == ""


def ask(
    port: int, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_one_click_as_a_mail_provider_sends_it(services: Services, port: int) -> None:
    wish = Wish(email="ann@example.org", digest="morning", confirmed=True, operator=True, via="cli")
    done = subscribe(services.database, services.settings, services.keyring, wish, now=datetime.now(UTC))
    assert done.subscription is not None
    path = f"/unsubscribe/{sign(services.keyring, Purpose.UNSUBSCRIBE, done.subscription.id)}"
    for method in ("GET", "HEAD", "GET", "HEAD"):
        status, headers, body = ask(port, method, path)
        assert status == 200
        assert "set-cookie" not in headers
        assert (body == b"") == (method == "HEAD")
    assert state(services, done.subscription.id) is SubscriptionState.CONFIRMED
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, headers, body = ask(port, "POST", path, "List-Unsubscribe=One-Click", form)
    assert (status, body) == (200, b"unsubscribed\n")
    assert "location" not in headers
    assert state(services, done.subscription.id) is SubscriptionState.UNSUBSCRIBED


def state(services: Services, number: int) -> SubscriptionState:
    with services.database.read() as session:
        found = subscribers.subscription_by_id(session, number)
    assert found is not None
    return found.state


@pytest.mark.parametrize("command", ["web", "run"])
def test_readers_of_the_last_seconds_are_counted_when_it_is_told_to_stop(tmp_path: Path, command: str) -> None:
    publisher = Publisher(tmp_path, port=free_port()).write()
    publisher.article("one")
    publisher.run("poll")
    publisher.run("feeds", "build")
    process = publisher.start(command)
    try:
        until(lambda: _is_there(publisher.port), "the web part is there")
        status, _, _ = ask(publisher.port, "GET", "/feeds/all/rss.xml", headers={"User-Agent": "Reeder/5"})
        assert status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert [each["readers"] for each in publisher.json("status")["feed_readers"]] == [1]


def _is_there(port: int) -> bool:
    try:
        return ask(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def test_paths_that_climb_and_bodies_that_lie(services: Services, port: int, tmp_path: Path) -> None:
    services.keyring  # noqa: B018 - makes secret.key
    (tmp_path / "feeds").mkdir()
    for path in ("/feeds/../secret.key", "/feeds/..%2fsecret.key", "/feeds/../config.toml", "/feeds//etc/passwd"):
        status, _, body = ask(port, "GET", path)
        assert status == 404
        assert b"sign" not in body
    status, _, _ = ask(port, "POST", "/unsubscribe/x", None, {"Content-Length": "99999999"})
    assert status == 413
    status, _, _ = ask(port, "POST", "/unsubscribe/x", "x" * 70_000)
    assert status == 413
