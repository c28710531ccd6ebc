"""``syndicate run`` as a process: it works by its clock, serves, and ends in order when asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from publisher import Publisher
from running import free_port, running, stop, until
from smtp_server import RecordingServer

from syndicate.service.clock import Clock


def publisher_for(folder: Path, server: RecordingServer, readers: int, url: str = "") -> Publisher:
    publisher = Publisher(folder, transport="smtp", port=free_port(), frequencies=("instant",))
    publisher.database = url or publisher.database
    publisher.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\nmax_conns = 3\n'
    publisher.write()
    config = publisher.config.read_text().replace('path = "articles"', 'path = "articles"\npoll_interval = "1s"')
    publisher.config.write_text(config)
    publisher.subscribe(publisher.services(lambda: datetime.now(UTC)), readers, frequency="instant")
    publisher.close()
    return publisher


def issues(publisher: Publisher) -> list[Any]:
    found: list[Any] = publisher.json("issues", "list")["issues"]
    return found


def test_it_polls_builds_composes_delivers_serves_and_stops_in_order(tmp_path: Path) -> None:
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=5)
        publisher.article("first")
        base = f"http://127.0.0.1:{publisher.port}"
        with running(publisher) as process:
            until(lambda: len(server.messages) == 5, "the instant issue of the first article")
            publisher.article("second")
            until(lambda: len(server.messages) == 10, "the instant issue of the second article")

            def served() -> bool:
                return "second" in httpx.get(f"{base}/feeds/all/atom.xml").text

            until(served, "the feed with both articles")
            assert httpx.get(f"{base}/healthz").status_code == 200
            assert httpx.get(f"{base}/readyz").status_code == 200
            took, log = stop(process)
            assert process.returncode == 0
        assert took < 10
        assert "Traceback" not in log
        assert "reader1@example.org" not in log
        found = issues(publisher)
        assert [issue["counts"]["accepted"] for issue in found] == [5, 5]
        assert all(issue["state"] == "finished" for issue in found)


def test_sigterm_in_the_middle_of_an_issue_loses_and_doubts_nothing(tmp_path: Path) -> None:
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=1500)
        publisher.article("first")
        with running(publisher) as process:
            until(lambda: len(server.messages) >= 20, "the first messages")
            took, _ = stop(process)
            assert process.returncode == 0
        assert took < 10
        (issue,) = issues(publisher)
        assert issue["counts"]["sending"] == issue["counts"]["in_doubt"] == 0
        assert issue["counts"]["accepted"] == len(server.messages)
        publisher.run("deliver")
        (issue,) = issues(publisher)
        assert issue["counts"]["accepted"] == 1500
        assert set(Counter(message.recipient for message in server.messages).values()) == {1}


def test_a_service_that_was_killed_goes_on_at_its_next_start(tmp_path: Path) -> None:
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=600)
        publisher.config.write_text(publisher.config.read_text().replace("[delivery]", '[delivery]\nin_doubt = "skip"'))
        publisher.article("first")
        with running(publisher) as process:
            until(lambda: len(server.messages) >= 20, "the first messages")
            process.kill()
            process.communicate()
        with running(publisher) as process:
            until(lambda: issues(publisher)[0]["state"] == "finished", "the end of the issue")
            stop(process)
        (issue,) = issues(publisher)
        assert issue["counts"]["accepted"] + issue["counts"]["in_doubt"] == 600
        assert issue["counts"]["in_doubt"] <= 12
        assert set(Counter(message.recipient for message in server.messages).values()) == {1}


def test_two_services_on_one_database_make_each_issue_once(tmp_path: Path, database_url: str) -> None:
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=40, url=database_url)
        publisher.article("first")
        with running(publisher):
            other = free_port()
            publisher.config.write_text(publisher.config.read_text().replace(f":{publisher.port}", f":{other}"))
            with running(publisher):
                until(lambda: len(server.messages) >= 40, "the first issue")
                publisher.article("second")
                until(lambda: len(server.messages) >= 80, "the second issue")
                time.sleep(2)
        assert len(server.messages) == 80
        assert len({message.data.partition(b"Message-ID: ")[2][:80] for message in server.messages}) == 80
        assert [issue["counts"]["accepted"] for issue in issues(publisher)] == [40, 40]


def test_send_beside_a_running_service_waits_for_it(tmp_path: Path) -> None:
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=10)
        publisher.article("first")
        with running(publisher):
            until(lambda: len(server.messages) == 10, "the instant issue")
            publisher.article("second", date=datetime.now(UTC) - timedelta(minutes=1))
            until(lambda: len(issues(publisher)) == 2, "the second instant issue")
            issue = publisher.json("send", "morning")
            assert issue["state"] == "skipped"


def test_the_clock_ticks_while_all_its_work_is_held_up(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, frequencies=("daily",)).write()
    services = publisher.services(lambda: datetime.now(UTC))
    _ = services.database, services.keyring
    clock = Clock(services)
    with services.database.write():  # whoever wants to write waits for this
        clock.start()
        first = services.ticked_at
        assert first is not None
        until(lambda: (services.ticked_at or 0) > first + 2, "further ticks")
    assert clock.close()
    publisher.close()


def test_a_source_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    with RecordingServer() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = publisher_for(tmp_path, server, readers=1)
        address = f"postgresql://reader:secret@127.0.0.1:{silent.getsockname()[1]}/cms"
        hung = f"""
[source.aaa]
type = "database"
url = "{address}"
table = "articles"
poll_interval = "1s"
[source.aaa.columns]
id = "id"
title = "title"
"""
        publisher.config.write_text(publisher.config.read_text() + hung)
        with running(publisher) as process:
            until(lambda: publisher.json("status")["sources"] != [], "the first polls")
            publisher.article("first")
            began = time.monotonic()
            until(lambda: len(server.messages) == 1, "the issue of an article from the source that answers")
            assert time.monotonic() - began < 9.5, "it waited for the other one's time-out of 10 s"
            assert stop(process)[0] < 10


def test_a_taken_address_is_told(tmp_path: Path) -> None:
    with RecordingServer() as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        publisher = publisher_for(tmp_path, server, readers=1)
        port = taken.getsockname()[1]
        publisher.config.write_text(publisher.config.read_text().replace(f":{publisher.port}", f":{port}"))
        complaint = publisher.run("run", status=1)
        assert str(port) in complaint


@pytest.fixture
def heartbeats() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ping/secret", seen
        server.shutdown()
        thread.join()


def pings_in_three_seconds(seen: list[str]) -> int:
    before = len(seen)
    time.sleep(3)
    return len(seen) - before


def test_the_dead_man_address_is_asked_while_all_is_well_and_not_in_an_alarm(
    tmp_path: Path, heartbeats: tuple[str, list[str]]
) -> None:
    url, seen = heartbeats
    with RecordingServer() as server:
        publisher = publisher_for(tmp_path, server, readers=1)
        config = publisher.config.read_text().replace(
            "[service]", f'[service]\nheartbeat_url = {json.dumps(url)}\nheartbeat_interval = "1s"\nalarm_after = "1s"'
        )
        publisher.config.write_text(config)
        with running(publisher) as process:
            until(lambda: len(seen) >= 2, "two heartbeats")
            (publisher.folder / "articles").rename(publisher.folder / "elsewhere")
            publisher.run("poll", status=1)
            until(lambda: pings_in_three_seconds(seen) == 0, "no heartbeat in an alarm")
            assert publisher.run("status", status=1) == ""
            _, log = stop(process)
        assert "alarm: source stories has been broken" in log
        assert "secret" not in log
