"""Our own hub with real subscribers on 127.0.0.1: intent, leases, signatures, retries, and everything they do wrong."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import Counter
from pathlib import Path

import pytest
from web_servers import Answer, Received, WebServer, echo
from websub_world import ATOM, JSON, ROOT, RSS, WebSubWorld

from syndicate.errors import HubFullError, UsageError
from syndicate.pipeline.websub.verifying import end_subscriptions
from syndicate.store import hub as store
from syndicate.store.engine import Database
from syndicate.store.hub import take_requests
from syndicate.store.hub_deliveries import delivered, take_deliveries, topic_subscribers
from syndicate.store.websub import HELD_FOR


def subscribers(world: WebSubWorld) -> dict[str, int]:
    with world.database.read() as session:
        return {topic.topic: topic.subscribers for topic in topic_subscribers(session, world.now)}


def publish(world: WebSubWorld, *topics: str, content: bytes) -> None:
    world.change(*topics, content=content)
    world.announce()


def test_a_subscription_from_the_request_to_the_document(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        callback = f"{reader.url}/hook?user=7"
        world.ask_hub(callback, secret="a secret", lease_seconds=7200)
        assert subscribers(world) == {}
        assert world.verify().subscribed == 1
        (question,) = reader.gets()
        assert question.query["user"] == "7"
        assert question.query["hub.mode"] == "subscribe"
        assert question.query["hub.topic"] == RSS
        assert question.query["hub.lease_seconds"] == "7200"
        assert len(question.query["hub.challenge"]) >= 32
        assert subscribers(world) == {RSS: 1}
        assert world.distribute().delivered == 0

        content = "<rss>Tide &amp; time, für alle</rss>".encode()
        publish(world, RSS, ATOM, content=content)
        assert world.distribute().delivered == 1
        (post,) = reader.posts()
        assert post.path == "/hook?user=7"
        assert post.body == content
        assert post.headers["content-type"] == "application/rss+xml; charset=utf-8"
        assert post.headers["link"] == f'<{ROOT}/hub>; rel="hub", <{RSS}>; rel="self"'
        expected = hmac.new(b"a secret", content, hashlib.sha256).hexdigest()
        assert post.headers["x-hub-signature"] == f"sha256={expected}"
        assert world.distribute().delivered == 0


def test_without_a_secret_nothing_is_signed(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.subscribe(f"{reader.url}/j", topic=JSON)
        publish(world, JSON, content=b"{}")
        world.distribute()
        (post,) = reader.posts()
        assert "x-hub-signature" not in post.headers
        assert post.headers["content-type"] == "application/feed+json"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=200, body=b"wrong"),
        Answer(status=200, body=b""),
        Answer(status=302, headers={"location": "/elsewhere"}),
        Answer(status=302, headers={"location": "http://127.0.0.1:1/"}),
        Answer(status=403),
    ],
)
def test_who_did_not_mean_it_is_not_subscribed(sqlite_database: Database, tmp_path: Path, answer: Answer) -> None:
    with WebServer(lambda request: answer) as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.ask_hub(f"{reader.url}/hook")
        assert world.verify().refused == 1
        assert subscribers(world) == {}
        assert world.count("hub_requests") == 0
        assert len(reader.received) == 1


@pytest.mark.parametrize("mode", ["longer", "space", "case"])
def test_the_challenge_must_come_back_byte_for_byte(sqlite_database: Database, tmp_path: Path, mode: str) -> None:
    def answer(request: Received) -> Answer:
        challenge = request.query["hub.challenge"]
        return Answer(
            body={"longer": challenge + "x", "space": challenge + "\n", "case": challenge.swapcase()}[mode].encode()
        )

    with WebServer(answer) as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.ask_hub(f"{reader.url}/hook")
        assert world.verify().refused == 1


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(close=True), Answer(body=b"x" * 200_000)])
def test_who_does_not_answer_is_asked_three_times(sqlite_database: Database, tmp_path: Path, answer: Answer) -> None:
    with WebServer(lambda request: answer) as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.ask_hub(f"{reader.url}/hook")
        for _ in range(10):
            world.verify()
            world.later(minutes=6)
        assert len(reader.gets()) == 3
        assert len({request.query["hub.challenge"] for request in reader.gets()}) == 3
        assert world.count("hub_requests") == 0
        assert subscribers(world) == {}


def test_callbacks_in_private_networks_are_never_called(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path, networks=[])
        for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(UsageError, match="private"):
                world.ask_hub(f"http://{host}:{reader.port}/hook")
        for host in ("localhost", "2130706433", "0x7f.1", "127.1"):  # names: seen when they are looked up
            world.ask_hub(f"http://{host}:{reader.port}/hook")
        assert world.verify().refused == 4
        assert reader.received == []
        # Also when the address became private after the subscription was made.
        world.networks = ("127.0.0.0/8",)
        world.configure(["self"])
        world.subscribe(f"http://127.0.0.1:{reader.port}/hook")
        world.networks = ()
        world.configure(["self"])
        publish(world, RSS, content=b"x")
        assert world.distribute().failed == 1
        assert reader.posts() == []


def test_unsubscribing_needs_intent_as_well(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        reader.answer = lambda request: Answer(status=404)
        world.ask_hub(f"{reader.url}/hook", mode="unsubscribe")
        world.verify()
        assert subscribers(world) == {RSS: 1}
        reader.answer = echo
        world.ask_hub(f"{reader.url}/hook", mode="unsubscribe")
        assert world.verify().ended == 1
        assert reader.gets()[-1].query["hub.mode"] == "unsubscribe"
        assert "hub.lease_seconds" not in reader.gets()[-1].query
        assert subscribers(world) == {}
        publish(world, RSS, content=b"x")
        assert world.distribute().delivered == 0


def test_leases_end_and_are_renewed_with_a_new_secret(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook", lease_seconds=3600, secret="old")
        world.later(minutes=50)
        world.subscribe(f"{reader.url}/hook", lease_seconds=3600, secret="new")
        assert subscribers(world) == {RSS: 1}
        world.later(minutes=50)
        publish(world, RSS, content=b"x")
        assert world.distribute().delivered == 1
        assert reader.posts()[0].headers["x-hub-signature"] == "sha256=" + hmac.new(b"new", b"x", "sha256").hexdigest()
        publish(world, RSS, content=b"y")  # owed, and then too late
        world.later(minutes=11)
        assert world.distribute().delivered == 0
        assert subscribers(world) == {}
        assert end_subscriptions(world.database, world.settings, world.now).ended == 1
        assert world.count("hub_deliveries") == 0


def test_a_feed_that_is_distributed_no_more_is_denied_to_its_subscribers(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        world.configure([])
        assert end_subscriptions(world.database, world.settings, world.now).ended == 1
        world.verify()
        told = reader.gets()[-1].query
        assert (told["hub.mode"], told["hub.topic"]) == ("denied", RSS)
        assert told["hub.reason"]
        assert world.count("hub_requests") == 0


def test_limits_deny_with_a_reason(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_OF_TOPIC", 2)
    monkeypatch.setattr(store, "MOST_OF_HOST", 3)
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        for number in range(2):
            world.subscribe(f"{reader.url}/{number}")
        world.subscribe(f"{reader.url}/0")  # a renewal is none more
        world.ask_hub(f"{reader.url}/2")
        assert world.verify().subscribed == 0
        assert reader.gets()[-1].query["hub.mode"] == "denied"
        assert "topic" in reader.gets()[-1].query["hub.reason"]
        world.subscribe(f"{reader.url}/0", topic=ATOM)
        world.ask_hub(f"{reader.url}/1", topic=ATOM)
        world.verify()
        assert "host" in reader.gets()[-1].query["hub.reason"]
        assert subscribers(world) == {RSS: 2, ATOM: 1}


def test_a_flood_of_requests_is_turned_away(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = WebSubWorld(sqlite_database, tmp_path)
    monkeypatch.setattr(store, "MOST_WAITING_OF_HOST", 5)
    for number in range(5):
        world.ask_hub(f"https://reader.example/{number}")
    with pytest.raises(HubFullError):
        world.ask_hub("https://reader.example/one-more")
    world.ask_hub("https://other.example/")


def test_the_newest_request_counts(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        callback = f"{reader.url}/hook"
        world.ask_hub(callback)
        world.ask_hub(callback, mode="unsubscribe")
        world.verify()
        assert [request.query["hub.mode"] for request in reader.gets()] == ["unsubscribe"]

        def change_of_mind(request: Received) -> Answer:
            if len(reader.gets()) == 2:
                world.ask_hub(callback, secret="newer")
            return echo(request)

        reader.answer = change_of_mind
        world.ask_hub(callback, secret="older")
        world.verify()
        assert world.rows("SELECT secret FROM hub_subscriptions") == [("newer",)]


def test_a_document_that_is_not_published_cannot_be_subscribed_to(sqlite_database: Database, tmp_path: Path) -> None:
    world = WebSubWorld(sqlite_database, tmp_path)
    with pytest.raises(UsageError, match="no such document"):
        world.ask_hub("https://reader.example/", topic=f"{ROOT}/feeds/all/secret.txt")


def test_a_subscriber_that_fails_gets_the_newest_when_it_is_back(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        reader.answer = lambda request: Answer(status=500)
        publish(world, RSS, content=b"one")
        assert world.distribute().failed == 1
        publish(world, RSS, content=b"two")
        assert world.distribute().failed == 0  # not before its time
        with database.read() as session:
            (topic,) = topic_subscribers(session, world.now)
        assert (topic.subscribers, topic.owed, topic.failing) == (1, 1, 1)
        world.later(seconds=40)
        publish(world, RSS, content=b"three")
        reader.answer = echo
        assert world.distribute().delivered == 1
        assert [post.body for post in reader.posts()] == [b"one", b"three"]
        world.later(days=2)
        assert world.distribute().delivered == 0


def test_a_subscriber_that_never_answers_is_dropped_in_the_end(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.subscribe(f"{reader.url}/hook", lease_seconds=30 * 86400)
        reader.answer = lambda request: Answer(close=True)
        publish(world, RSS, content=b"one")
        attempts = dropped = 0
        for _ in range(80):
            result = world.distribute()
            attempts, dropped = attempts + result.failed, dropped + result.dropped
            world.later(hours=1)
        assert (attempts, dropped) == (10, 1)
        assert subscribers(world) == {}


def test_410_ends_the_subscription_at_once(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader, WebServer() as other:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        world.subscribe(f"{other.url}/hook")
        reader.answer = lambda request: Answer(status=410)
        publish(world, RSS, content=b"one")
        result = world.distribute()
        assert (result.delivered, result.dropped) == (1, 1)
        assert subscribers(world) == {RSS: 1}


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (Answer(status=202, body=b"x" * 5_000_000), True),
        (Answer(status=204), True),
        (Answer(status=307, headers={"location": "/other"}), False),
        (Answer(status=301, headers={"location": "http://169.254.169.254/latest/meta-data/"}), False),
        (Answer(status=404), False),
    ],
)
def test_answers_to_a_delivery(sqlite_database: Database, tmp_path: Path, answer: Answer, good: bool) -> None:
    with WebServer() as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        reader.answer = lambda request: answer
        publish(world, RSS, content=b"one")
        result = world.distribute()
        assert (result.delivered, result.failed) == (int(good), int(not good))
        assert len(reader.posts()) == 1


def test_what_changes_during_a_delivery_is_delivered_again(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.subscribe(f"{reader.url}/hook")

        def answer(_request: Received) -> Answer:
            if len(reader.posts()) == 1:
                publish(world, RSS, content=b"two")
            return Answer()

        reader.answer = answer
        publish(world, RSS, content=b"one")
        assert world.distribute().delivered == 2
        assert [post.body for post in reader.posts()] == [b"one", b"two"]


def test_a_process_that_dies_loses_neither_requests_nor_deliveries(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        world.ask_hub(f"{reader.url}/hook")
        with database.write() as session:
            assert len(take_requests(session, "dead", world.now, 9, busy={}, per_host=9)) == 1
        assert world.verify().subscribed == 0
        world.later(seconds=HELD_FOR.total_seconds() + 1)
        assert world.verify().subscribed == 1
        publish(world, RSS, content=b"one")
        with database.write() as session:
            (dead,) = take_deliveries(session, "dead", world.now, 9, busy={}, per_host=9)
        assert world.distribute().delivered == 0
        world.later(seconds=HELD_FOR.total_seconds() + 1)
        assert world.distribute().delivered == 1
        with database.write() as session:
            assert not delivered(session, dead, "dead", 200, world.now)
        assert [post.body for post in reader.posts()] == [b"one"]


def test_several_processes_deliver_each_document_once(database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(database, tmp_path)
        for number in range(60):
            world.ask_hub(f"{reader.url}/{number}")
        threads = [threading.Thread(target=world.verify) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert subscribers(world) == {RSS: 60}
        assert len(reader.gets()) == 60
        publish(world, RSS, content=b"one")
        threads = [threading.Thread(target=world.distribute) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(post.path for post in reader.posts()) == Counter(f"/{number}" for number in range(60))


def test_one_slow_host_does_not_hold_up_the_others(sqlite_database: Database, tmp_path: Path) -> None:
    waiting, most = 0, 0
    lock = threading.Lock()
    release = threading.Event()

    def slow(request: Received) -> Answer:
        nonlocal waiting, most
        if request.method == "POST":
            with lock:
                waiting += 1
                most = max(most, waiting)
            release.wait(120)
            with lock:
                waiting -= 1
        return echo(request)

    with WebServer(slow) as stuck, WebServer() as quick:
        world = WebSubWorld(sqlite_database, tmp_path, networks=["127.0.0.0/8", "::1/128"])
        for number in range(30):
            world.ask_hub(f"{stuck.url}/{number}")
        world.verify()
        world.ask_hub(f"http://localhost:{quick.port}/hook")
        world.verify()
        publish(world, RSS, content=b"one")
        worker = threading.Thread(target=world.distribute)
        worker.start()
        for _ in range(1400):  # less than the 15 s that a reader is waited for
            if quick.posts():
                break
            threading.Event().wait(0.01)
        assert quick.posts()
        assert most <= 4
        release.set()
        worker.join()
        assert len(stuck.posts()) == 30


def test_a_document_that_is_gone_is_not_sent_as_nothing(sqlite_database: Database, tmp_path: Path) -> None:
    with WebServer() as reader:
        world = WebSubWorld(sqlite_database, tmp_path)
        world.subscribe(f"{reader.url}/hook")
        publish(world, RSS, content=b"one")
        world.path(RSS).unlink()
        assert world.distribute().failed == 1
        assert reader.posts() == []
