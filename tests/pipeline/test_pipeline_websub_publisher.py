"""Telling hubs of changes: real hubs on 127.0.0.1 that behave and misbehave, both databases."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from web_servers import Answer, Received, WebServer
from websub_world import ATOM, JSON, ROOT, RSS, WebSubWorld

from syndicate.core.websub import PING_AFTER
from syndicate.store.engine import Database
from syndicate.store.websub import HELD_FOR, ping_failed, ping_told, ping_troubles, take_pings


def ok(_request: Received) -> Answer:
    return Answer(status=204)


def topics_told(server: WebServer) -> list[str]:
    return [request.form["hub.topic"][0] for request in server.posts()]


def test_each_changed_topic_is_told_once_over_one_connection(database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(database, tmp_path, hubs=[hub.url + "/push"])
        world.change(RSS, ATOM, JSON)
        world.change(RSS)
        assert world.announce().pings == 3
        assert world.ping().told == 3
        assert sorted(topics_told(hub)) == sorted([RSS, ATOM, JSON])
        first = hub.posts()[0]
        assert first.path == "/push"
        assert first.headers["content-type"] == "application/x-www-form-urlencoded"
        topic = first.form["hub.topic"]
        assert first.form == {"hub.mode": ["publish"], "hub.url": topic, "hub.topic": topic}
        assert len({request.connection for request in hub.posts()}) == 1
        assert world.announce().topics == 0
        assert world.ping().told == 0
        world.later(days=30)
        assert world.ping().told == 0


def test_only_hubs_of_the_feed_are_told(database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(database, tmp_path, hubs=[hub.url])
        world.change(
            f"{ROOT}/feeds/other/rss.xml",
            f"{ROOT}/feeds/issues-morning/rss.xml",
            "https://elsewhere.example/feeds/all/rss.xml",
        )
        assert world.announce().pings == 0
        assert world.count("topic_changes") == 0
        assert world.ping().told == 0
        assert hub.received == []


def test_a_hub_that_fails_is_asked_again_with_back_off_and_others_meanwhile(database: Database, tmp_path: Path) -> None:
    with WebServer(lambda request: Answer(status=500, body=b"out of order")) as broken, WebServer(ok) as good:
        world = WebSubWorld(database, tmp_path, hubs=[broken.url, good.url])
        world.change(RSS)
        world.announce()
        result = world.ping()
        assert (result.told, result.failed) == (1, 1)
        with database.read() as session:
            (trouble,) = ping_troubles(session)
        assert "500 (out of order)" in trouble.error
        world.ping()
        assert len(broken.posts()) == 1  # not before its time
        world.later(seconds=40)
        world.change(RSS)  # more changes do not bring it forward, and are not forgotten
        world.announce()
        world.ping()
        assert len(broken.posts()) == 2
        assert len(good.posts()) == 2
        broken.answer = ok
        world.later(seconds=140)
        assert world.ping().told == 1
        with database.read() as session:
            assert ping_troubles(session) == []
        world.later(days=1)
        assert world.ping().told == 0


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301])
def test_a_hub_that_will_never_take_it_is_given_up_loudly(
    sqlite_database: Database, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with WebServer(lambda request: Answer(status=status, headers={"location": "http://10.0.0.1/"})) as hub:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=[hub.url])
        world.change(RSS)
        world.announce()
        with caplog.at_level(logging.ERROR):
            assert world.ping().failed == 1
        assert f"hub {hub.url} was not told of {RSS}" in caplog.text
        world.later(days=9)
        assert world.ping().failed == 0
        with sqlite_database.read() as session:
            (trouble,) = ping_troubles(session)
        assert trouble.next_at is None
        world.change(RSS)  # the next change is worth another try
        world.announce()
        assert world.ping().failed == 1


def test_a_hub_that_is_down_is_given_up_after_two_days(sqlite_database: Database, tmp_path: Path) -> None:
    world = WebSubWorld(sqlite_database, tmp_path, hubs=["http://127.0.0.1:1/"])
    world.change(RSS)
    world.announce()
    attempts = 0
    for _ in range(200):
        attempts += world.ping().failed
        world.later(hours=1)
    assert attempts == 10
    assert world.rows("SELECT count(*) FROM hub_pings WHERE due_at IS NOT NULL") == [(0,)]


def test_retry_after_is_respected(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer(lambda request: Answer(status=429, headers={"retry-after": "3600"})) as hub:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=[hub.url])
        world.change(RSS)
        world.announce()
        world.ping()
        world.later(minutes=59)
        assert world.ping().failed == 0
        world.later(minutes=2)
        assert world.ping().failed == 1


@pytest.mark.parametrize(
    "answer", [Answer(close=True), Answer(status=200, body=b"half", length=9), Answer(body=b"x" * 5_000_000)]
)
def test_answers_that_break_off_or_never_end(sqlite_database: Database, tmp_path: Path, answer: Answer) -> None:
    with WebServer(lambda request: answer) as hub:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=[hub.url])
        world.change(RSS, ATOM)
        world.announce()
        result = world.ping()
        assert (result.told, result.failed) == ((2, 0) if answer.length is None and not answer.close else (0, 2))


def test_a_slow_hub_does_not_keep_another_waiting(sqlite_database: Database, tmp_path: Path) -> None:
    release = threading.Event()

    def answer_late(_request: Received) -> Answer:
        release.wait(60)
        return Answer()

    with WebServer(answer_late) as slow, WebServer(ok) as quick:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=[slow.url, quick.url])
        world.change(RSS)
        world.announce()
        began = time.time()
        worker = threading.Thread(target=world.ping)
        worker.start()
        while len(quick.posts()) < 1:
            assert time.time() - began < 18, "it waited for the slow one's time-out of 20 s"
            time.sleep(0.01)
        world.change(ATOM)  # while the slow one is being told
        world.announce()
        while len(quick.posts()) < 2:
            assert time.time() - began < 18, "it waited for the slow one's time-out of 20 s"
            time.sleep(0.01)
        release.set()
        worker.join()
        assert topics_told(quick) == [RSS, ATOM]


def test_what_changes_during_the_exchange_is_told_again(database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(database, tmp_path, hubs=[hub.url])

        def answer(_request: Received) -> Answer:
            if len(hub.posts()) == 1:
                world.change(RSS)
                world.announce()
            return Answer(status=202)

        hub.answer = answer
        world.change(RSS)
        world.announce()
        world.ping()
        assert topics_told(hub) == [RSS]  # the new document is not served before PING_AFTER has passed
        world.later(seconds=PING_AFTER.total_seconds())
        world.ping()
        assert topics_told(hub) == [RSS, RSS]


def test_a_process_that_dies_with_a_ping_in_hand_loses_none(database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(database, tmp_path, hubs=[hub.url])
        world.change(RSS)
        world.announce()
        with database.write() as session:
            (dead,) = take_pings(session, "dead", world.now, 10)
        assert world.ping().told == 0  # it may still be at it
        world.later(seconds=HELD_FOR.total_seconds() + 1)
        assert world.ping().told == 1
        with database.write() as session:  # and if it was only slow, it has no say any more
            assert not ping_told(session, dead, "dead", 200, world.now)
            assert not ping_failed(session, dead, "dead", status=None, error="x", due_at=None)


def test_two_processes_tell_each_topic_once(database: Database, tmp_path: Path) -> None:
    with WebServer(lambda request: Answer(wait=0.01)) as hub:
        world = WebSubWorld(database, tmp_path, hubs=[hub.url])
        topics = [f"{ROOT}/feeds/all/tag/t{number}/rss.xml" for number in range(120)]
        world.change(*topics)

        def work() -> None:
            world.announce()
            world.ping()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.announce()
        world.ping()
        assert sorted(topics_told(hub)) == sorted(topics)


def test_hubs_that_are_configured_no_more_are_forgotten(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=["http://127.0.0.1:1/"])
        world.change(RSS)
        world.announce()
        world.ping()
        world.configure([hub.url])
        world.later(hours=1)
        world.ping()
        assert world.count("hub_pings") == 0


def test_after_stop_nothing_is_taken_up(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer(ok) as hub:
        world = WebSubWorld(sqlite_database, tmp_path, hubs=[hub.url])
        world.change(RSS)
        world.announce()
        world.stop.set()
        world.ping()
        assert hub.received == []
        world.stop.clear()
        world.later(seconds=1)
        assert world.ping().told == 1
