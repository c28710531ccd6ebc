"""Webhooks of a real process: one that hangs holds up no other, and a kill at any moment loses no message."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from members_setup import rows
from publisher import Publisher
from running import free_port, running, until
from web_servers import Answer, Received, WebServer

from syndicate.service.passes import call_webhooks
from syndicate.service.tokens import add_token

HOOK = """
[webhook.{name}]
url = "{url}"
events = ["confirmed"]
secret = "whsec_dGhpcyBpcyBhIHNhbXBsZSwgbWFrZSBvbmU="
allow_private = true
"""
CONSENT = {"wording": "Send me the Morning Courier."}


def taken(_request: Received) -> Answer:
    return Answer(status=204)


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with WebServer(taken) as server:
        yield server


def told(receiver: WebServer) -> list[tuple[str, int]]:
    """The number of each message and of its subscriber, as they came."""
    return [
        (request.headers["webhook-id"], json.loads(request.body)["data"]["subscriber_id"])
        for request in receiver.posts()
        if len(request.body) == int(request.headers["content-length"])  # else its sender was killed
    ]


def test_one_that_hangs_holds_up_no_other(tmp_path: Path, receiver: WebServer) -> None:
    def hang(_request: Received) -> Answer:
        return Answer(wait=60)

    with WebServer(hang) as slow:
        hooks = HOOK.format(name="slow", url=slow.url) + HOOK.format(name="crm", url=receiver.url)
        paper = Publisher(tmp_path, port=free_port(), more=hooks).write()
        with running(paper):
            for number in range(12):
                paper.run("subscribers", "add", f"r{number}@example.org", "--digest", "morning", "--confirmed")
            until(lambda: len(receiver.posts()) == 12, "the other one is told of everything")
            log = paper.json("webhooks", "log", "slow")["messages"]
            assert [message["tries"] for message in log] == [[]] * 12  # the first four are still on the wire
            assert len(slow.posts()) <= 4


def test_several_sources_are_read_at_once(tmp_path: Path) -> None:
    """Neither is answered before both were asked."""
    both = threading.Barrier(2, timeout=20)
    feed = b'<rss version="2.0"><channel><title>x</title><link>https://x.example/</link><description>x</description></channel></rss>'

    def answer(_request: Received) -> Answer:
        both.wait()
        return Answer(body=feed, headers={"content-type": "application/rss+xml"})

    with WebServer(answer) as server:
        sources = "".join(
            f'[source.{name}]\ntype = "feed"\nurl = "{server.url}/{name}"\nallow_private = true\n' for name in "ab"
        )
        found = Publisher(tmp_path, more=sources).write().json("poll")["sources"]
    assert [each["source"] for each in found] == ["stories", "a", "b"]
    assert [each["error"] for each in found] == [None] * 3


def test_a_kill_at_any_moment_loses_no_message(tmp_path: Path, database_url: str, receiver: WebServer) -> None:
    paper = Publisher(
        tmp_path, database=database_url, port=free_port(), more=HOOK.format(name="crm", url=receiver.url)
    ).write()
    services = paper.services(lambda: datetime.now(UTC))
    token = add_token(services, "all", ["subscribers:write", "subscribers:confirm"]).token
    chance = random.Random(database_url.partition(":")[0])  # noqa: S311 - not a secret
    stored: list[int] = []

    def sign_up(process: subprocess.Popen[str], first: int) -> None:
        """One reader after the other until the service is gone."""
        with httpx.Client(base_url=f"http://127.0.0.1:{paper.port}", timeout=10) as client:
            number = first
            while process.poll() is None:
                given = {"email": f"r{number}@example.org", "digest": "morning", "confirmed": True, "consent": CONSENT}
                try:
                    answer = client.post(
                        "/api/v1/subscribers", json=given, headers={"authorization": f"Bearer {token}"}
                    )
                except httpx.HTTPError:
                    time.sleep(0.02)
                    continue
                if answer.status_code == 429:
                    time.sleep(0.1)
                    continue
                assert answer.status_code == 201, answer.text
                stored.append(answer.json()["id"])
                number += 1

    for life in range(3):
        with running(paper) as process:
            threads = [threading.Thread(target=sign_up, args=(process, 10_000 * life + 1000 * n)) for n in range(3)]
            for thread in threads:
                thread.start()
            enough = len(told(receiver)) + chance.randrange(1, 40)
            until(lambda enough=enough: len(told(receiver)) >= enough, "some messages")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
    # What the dead held is due again after two minutes.
    later = paper.services(lambda: datetime.now(UTC) + timedelta(minutes=5))
    call_webhooks(later, stop=threading.Event())
    there = [number for (number,) in rows(services.database, "SELECT id FROM subscribers ORDER BY id")]
    states = rows(services.database, "SELECT state, count(*) FROM webhook_messages GROUP BY state")
    paper.close()
    assert len(stored) > 3
    assert set(stored) <= set(there)
    assert sorted({subscriber for _, subscriber in told(receiver)}) == there  # none lost, none made up
    assert len(set(told(receiver))) == len(there)  # what came twice has the same number
    assert states == [("delivered", len(there))]
