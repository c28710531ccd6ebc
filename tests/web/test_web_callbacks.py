"""``/websub/TOKEN``: what hubs are answered, how much they may send, and that nobody else gets anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from following_world import FEED, TOPIC, FollowingWorld
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_host import own_host
from starlette.testclient import TestClient
from web_servers import WebServer

from syndicate.core.websub import signature
from syndicate.model import Keyring
from syndicate.service.wiring import Services
from syndicate.store.engine import Database
from syndicate.store.following import FollowedFeed
from syndicate.web.app import make_app


class Site:
    """A paper's web part, and its wish to follow one feed, of which the hub has just been asked."""

    def __init__(self, database: Database, keyring: Keyring, hub: WebServer) -> None:
        self.world = FollowingWorld(database, hub)
        self.world.configure(url=FEED, max_size=200_000)
        services = Services(self.world.settings, clock=self.world.clock)
        services.__dict__["database"] = database
        services.__dict__["keyring"] = keyring
        self.client = TestClient(make_app(services), own_host(services), raise_server_exceptions=False)
        self.world.found()
        self.world.follow()
        self.path = f"/websub/{self.feed.token}"

    @property
    def feed(self) -> FollowedFeed:
        return self.world.one()

    def called(self) -> int:
        return int(self.world.rows("SELECT count(*) FROM feed_calls")[0][0])


@pytest.fixture
def site(sqlite_database: Database, keyring: Keyring, tmp_path: Path) -> Iterator[Site]:
    with WebServer() as hub:
        yield Site(sqlite_database, keyring, hub)


def params(**fields: str) -> dict[str, str]:
    given = {"mode": "subscribe", "topic": TOPIC, "challenge": "c<b>&"} | fields
    return {f"hub.{name}": value for name, value in given.items()}


def test_the_challenge_is_echoed_as_plain_text(site: Site) -> None:
    answer = site.client.get(site.path, params=params(lease_seconds="600"))
    assert (answer.status_code, answer.text) == (200, "c<b>&")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert site.world.states() == ["active"]


def test_a_head_confirms_nothing(site: Site) -> None:
    assert site.client.head(site.path, params=params()).status_code == 405
    assert site.world.states() == ["wanted"]


@pytest.mark.parametrize("fields", [{"topic": "https://agency.example/x"}, {"mode": "unsubscribe"}, {"mode": "publish"}, {"challenge": ""}, {"mode": ""}])  # fmt: skip
def test_anything_else_is_not_found_and_changes_nothing(site: Site, fields: dict[str, str]) -> None:
    before = site.feed
    assert site.client.get(site.path, params=params(**fields)).status_code == 404
    assert site.client.get(site.path + "x", params=params()).status_code == 404
    assert site.client.get(site.path).status_code == 404
    assert site.feed == before


def test_a_message_is_thanked_for_at_once(site: Site) -> None:
    site.client.get(site.path, params=params())
    body = b"<feed>" + b"x" * 150_000
    signed = {"x-hub-signature": signature(site.feed.secret, body)}
    before = site.world.rows("SELECT calls FROM feed_calls")
    assert site.client.post(site.path, content=body, headers=signed).status_code == 202
    assert site.world.rows("SELECT calls FROM feed_calls") == [(before[0][0] + 1,)]
    assert site.feed.error is None


def test_a_message_that_is_not_the_hubs_is_ignored(site: Site) -> None:
    for header in ({}, {"x-hub-signature": "sha256=00"}, {"x-hub-signature": signature("not ours", b"x")}):
        assert site.client.post(site.path, content=b"x", headers=header).status_code == 202
    assert site.called() == 0
    assert site.feed.error == "a message without the right signature was ignored"


def test_a_message_for_nobody_ends_the_subscription_there(site: Site) -> None:
    assert site.client.post("/websub/nobody", content=b"x").status_code == 410
    site.world.configure()
    site.world.leave()
    assert site.client.post(site.path, content=b"x").status_code == 410


def test_a_message_beyond_the_sources_limit_is_refused(site: Site) -> None:
    body = b"x" * 200_001
    signed = {"x-hub-signature": signature(site.feed.secret, body)}
    assert site.client.post(site.path, content=body, headers=signed).status_code == 413
    assert site.called() == 0
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert site.client.post("/hub", content=b"x" * 70_000, headers=form).status_code == 413, "pages keep theirs"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["mode", "topic", "challenge", "lease_seconds", "reason"]), st.text(max_size=30)),
    st.booleans(),
)
def test_no_question_breaks_it(site: Site, fields: dict[str, str], begin: bool) -> None:
    clean = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    asked = params(**clean) if begin else {f"hub.{name}": value for name, value in clean.items()}
    assert site.client.get(site.path, params=asked).status_code in {200, 404}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300),
    st.text(alphabet=st.characters(max_codepoint=255, blacklist_categories=["Cc"]), max_size=80),
)
def test_no_message_breaks_it(site: Site, body: bytes, header: str) -> None:
    signed = {b"x-hub-signature": header.encode("latin-1")}
    assert site.client.post(site.path, content=body, headers=signed).status_code == 202
    assert site.called() == 0
