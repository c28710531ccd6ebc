"""WebSub with the running program: hubs hear of a change at once, readers get it, a kill loses nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import httpx
from publisher import Publisher
from running import free_port, running, stop, until
from sqlalchemy import text
from web_servers import Answer, Received, WebServer

from syndicate.service.websub import tell_hubs, work_as_hub
from syndicate.store.feeds import documents_of
from syndicate.store.published import standing
from syndicate.store.websub import changes_wait, owe_pings

SECRET = "a secret of the reader"


def publisher_with(folder: Path, *hubs: str, database: str = "sqlite:///subscribers.db") -> Publisher:
    publisher = Publisher(folder, database=database, port=free_port()).write()
    text = publisher.config.read_text()
    text = text.replace("[feed.all]", f"[feed.all]\nhub = {json.dumps(hubs)}")
    text = text.replace("[service]", '[service]\ntrusted_networks = ["127.0.0.0/8"]')
    text = text.replace('path = "articles"', 'path = "articles"\npoll_interval = "1s"')
    publisher.config.write_text(text)
    return publisher


def topics(server: WebServer) -> set[str]:
    return {request.form["hub.topic"][0] for request in server.posts()}


ADDRESSES = {f"https://news.courier.example/feeds/all/{name}" for name in ("rss.xml", "atom.xml", "feed.json")}
RSS = "https://news.courier.example/feeds/all/rss.xml"


def test_a_reader_gets_the_new_document_and_hubs_hear_of_it(tmp_path: Path) -> None:
    with WebServer(lambda request: Answer(status=204)) as hub, WebServer() as reader:
        publisher = publisher_with(tmp_path, "self", hub.url)
        publisher.article("first")
        with running(publisher) as process:
            until(lambda: topics(hub) == ADDRESSES, "the hub was told of the first publication")
            form = {"hub.mode": "subscribe", "hub.topic": RSS, "hub.callback": f"{reader.url}/x", "hub.secret": SECRET}
            answer = httpx.post(f"http://127.0.0.1:{publisher.port}/hub", data=form)
            assert answer.status_code == 202, answer.text
            until(lambda: bool(publisher.json("status")["hub"]), "the subscription was verified")
            assert publisher.json("status")["hub"] == [{"topic": RSS, "subscribers": 1, "owed": 0, "failing": 0}]
            hub.received.clear()
            publisher.article("second")
            until(lambda: topics(hub) == ADDRESSES, "the hub was told of the second publication")
            until(
                lambda: any(b"Story second" in post.body for post in reader.posts()), "the reader got the new document"
            )
            _, log = stop(process)
        path = tmp_path / "feeds" / "all" / "rss.xml"
        (post,) = reader.posts()
        assert post.body == path.read_bytes()
        assert (
            post.headers["x-hub-signature"]
            == "sha256=" + hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
        )
        assert post.headers["link"].endswith(f'<{RSS}>; rel="self"')
        assert "Traceback" not in log


@contextmanager
def commits(publisher: Publisher) -> Iterator[list[float]]:
    """When publications were committed, as another process sees it: a few milliseconds after the truth at most."""
    seen: list[float] = []
    done = Event()
    services = publisher.services(lambda: datetime.now(UTC))

    def watch() -> None:
        known = None
        while not done.wait(0.005):
            with services.database.read() as session:
                generation = standing(session).generation
            if known is not None and generation != known:
                seen.append(time.time())
            known = generation

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


@contextmanager
def asked_all_the_time(address: str) -> Iterator[None]:
    """A feed that is at hand because somebody asks for it every few milliseconds."""
    done = Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not done.wait(0.02):
                client.get(address)

    thread = Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_soon_after_a_publication_hubs_hear_of_it_and_can_fetch_it(tmp_path: Path) -> None:
    found: dict[str, tuple[float, str]] = {}

    def fetch_at_once(request: Received) -> Answer:
        (topic,) = request.form["hub.topic"]
        found[topic] = request.at, client.get(topic.replace("https://news.courier.example", local)).text
        return Answer(status=204)

    def told(word: str) -> bool:
        return set(found) == ADDRESSES and all(f"Story {word}" in text for _, text in found.values())

    with httpx.Client() as client, WebServer(fetch_at_once) as hub:  # a new client takes 0.1 s: not ours to count
        publisher = publisher_with(tmp_path, hub.url)
        local = f"http://127.0.0.1:{publisher.port}"
        publisher.article("first")
        with running(publisher):
            until(lambda: told("first"), "the hub fetched the first publication")
            with commits(publisher) as seen, asked_all_the_time(f"{local}/feeds/all/rss.xml"):
                for word in ("second", "third", "fourth"):
                    publisher.article(word)
                    until(lambda: told(word), f"the hub fetched the {word} publication")  # noqa: B023 - used at once
                    times = [at for at, _ in found.values()]
                    assert max(times) - max(moment for moment in seen if moment < min(times)) < 10.0
        publisher.close()


def test_hubs_hear_soon_of_what_another_process_published_and_beside_a_slow_hub(tmp_path: Path) -> None:
    def slow(_request: Received) -> Answer:
        return Answer(status=204, wait=15)

    def settled() -> bool:
        with database.read() as session:
            rss = documents_of(session, ["all"]).get("all", {}).get("all/rss.xml")
            owed = session.connection().execute(text("SELECT due_at FROM hub_pings WHERE hub = :hub"), {"hub": hub.url})
            told = [due_at for (due_at,) in owed] == [None] * 3 and not changes_wait(session)
            return told and rss is not None and rss.entries == 1

    with WebServer(lambda request: Answer(status=204)) as hub, WebServer(slow) as tired:
        publisher = publisher_with(tmp_path, hub.url, tired.url)
        publisher.article("first")
        with running(publisher):
            until(lambda: bool(tired.posts()), "one hub was told and is slow to answer")
            database = publisher.services(lambda: datetime.now(UTC)).database
            until(settled, "the other hub was told of everything")
            for pause in (0.0, 0.3, 0.7):
                time.sleep(pause)
                hub.received.clear()
                with database.write() as session:
                    owe_pings(session, [RSS], datetime.now(UTC))
                committed = time.time()
                until(lambda: topics(hub) == {RSS}, "the hub was told of a change that was committed elsewhere")
                assert hub.posts()[0].at - committed < 10.0
                until(settled, "that was recorded")
            assert len(tired.posts()) == 1
        publisher.close()


def test_nothing_is_told_when_no_byte_changed(tmp_path: Path) -> None:
    with WebServer(lambda request: Answer(status=204)) as hub:
        publisher = publisher_with(tmp_path, hub.url)
        publisher.article("first")
        publisher.run("run", "--once")
        assert topics(hub) == ADDRESSES
        hub.received.clear()
        publisher.run("run", "--once")
        assert hub.received == []


def killed(publisher: Publisher, when: Callable[[], bool]) -> None:
    process = publisher.start("run", "--once")
    until(when, "the exchange has begun")
    process.kill()
    process.communicate()


def test_a_kill_while_a_hub_is_told_loses_no_ping(tmp_path: Path, database_url: str) -> None:
    asked = Event()

    def slow(_request: Received) -> Answer:
        asked.set()
        return Answer(wait=30)

    with WebServer(slow) as hub:
        publisher = publisher_with(tmp_path, hub.url, database=database_url)
        publisher.article("first")
        killed(publisher, asked.is_set)
        hub.received.clear()
        hub.answer = lambda request: Answer(status=204)
        services = publisher.services(lambda: datetime.now(UTC) + timedelta(seconds=61))
        tell_hubs(services, stop=Event())
        publisher.close()
        assert topics(hub) == ADDRESSES


def test_a_kill_while_a_reader_is_sent_a_document_loses_none(tmp_path: Path, database_url: str) -> None:
    with WebServer() as reader:
        publisher = publisher_with(tmp_path, "self", database=database_url)
        publisher.article("first")
        publisher.run("run", "--once")
        services = publisher.services(lambda: datetime.now(UTC))
        from syndicate.pipeline.websub.accepting import accept

        fields = {"hub.mode": "subscribe", "hub.topic": RSS, "hub.callback": f"{reader.url}/x"}
        accept(services.database, services.settings, fields, services.clock())
        work_as_hub(services, stop=Event())
        publisher.article("second")
        reader.answer = lambda request: Answer(wait=30)
        killed(publisher, lambda: bool(reader.posts()))
        reader.received.clear()
        reader.answer = lambda request: Answer()
        later = publisher.services(lambda: datetime.now(UTC) + timedelta(seconds=61))
        work_as_hub(later, stop=Event())
        publisher.close()
        (post,) = reader.posts()
        assert b"Story second" in post.body


def test_slow_readers_do_not_hold_up_mail(tmp_path: Path) -> None:
    with WebServer() as reader:
        publisher = publisher_with(tmp_path, "self")
        publisher.frequencies = ("instant",)
        publisher.article("first")
        services = publisher.services(lambda: datetime.now(UTC))
        publisher.subscribe(services, 3, frequency="instant")
        publisher.run("run", "--once")
        from syndicate.pipeline.websub.accepting import accept

        for number in range(20):
            fields = {"hub.mode": "subscribe", "hub.topic": RSS, "hub.callback": f"{reader.url}/{number}"}
            accept(services.database, services.settings, fields, services.clock())
        work_as_hub(services, stop=Event())
        reader.answer = lambda request: Answer(wait=14)
        mails = tmp_path / "outbox" / "new"
        before = len(list(mails.iterdir()))
        with running(publisher):
            publisher.article("second", date=datetime.now(UTC) - timedelta(minutes=1))
            until(lambda: bool(reader.posts()), "the slow readers are being sent the document")
            began = time.monotonic()
            until(lambda: len(list(mails.iterdir())) == before + 3, "the instant issue")
            assert time.monotonic() - began < 13
        publisher.close()
