"""Feeds are followed at their hubs: asked for, confirmed once, renewed in time, left; no hub can do more than call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from following_world import FEED, FIRST, ROOT, TOPIC, FollowingWorld
from web_servers import Answer, WebServer

from syndicate.core.following import CALLS_APART, READ_AGAIN
from syndicate.errors import UsageError
from syndicate.store.engine import Database
from syndicate.store.feed_calls import FeedCall, forget_calls, next_call, settle, take_calls
from syndicate.store.following import FollowState


@pytest.fixture
def world(database: Database) -> Iterator[FollowingWorld]:
    with WebServer() as hub:
        yield FollowingWorld(database, hub)


def test_a_hub_is_asked_and_asks_back(world: FollowingWorld) -> None:
    world.found()
    world.found()
    result = world.follow()
    assert (result.asked, result.failed, result.refused) == (1, 0, 0)
    (request,) = world.requests()
    form = {name: values[0] for name, values in request.form.items()}
    feed = world.one()
    assert form == {
        "hub.mode": "subscribe",
        "hub.topic": TOPIC,
        "hub.callback": f"{ROOT}/websub/{feed.token}",
        "hub.secret": feed.secret,
        "hub.lease_seconds": "864000",
    }
    assert (len(feed.token), len(feed.secret), feed.state) == (43, 43, FollowState.WANTED)
    assert feed.token not in repr(feed)
    assert feed.secret not in repr(feed)
    world.follow()
    assert world.requests() == [], "it is asked once"
    world.later(seconds=5)
    assert world.question(feed.token, lease_seconds="1000") == "a-challenge"
    feed = world.one()
    assert (feed.state, feed.verified_at, feed.error) == (FollowState.ACTIVE, world.now, None)
    assert feed.expires_at == world.now + timedelta(seconds=1000)
    # What changed between the poll that found the hub and now would be heard of by nobody.
    assert world.rows("SELECT source, feed FROM feed_calls WHERE due_at IS NOT NULL") == [("agency", FEED)]


def test_a_question_is_answered_twice_and_counts_once(world: FollowingWorld) -> None:
    world.found()
    feed = world.confirm(lease_seconds="1000")
    world.later(minutes=1)
    assert world.question(feed.token, challenge="another", lease_seconds="999999") == "another"
    assert world.one() == feed


@pytest.mark.parametrize("fields", [{"topic": "https://agency.example/other"}, {"mode": "unsubscribe"}])
def test_what_we_did_not_ask_for_is_not_confirmed(world: FollowingWorld, fields: dict[str, str]) -> None:
    world.found()
    world.follow()
    (request,) = world.requests()
    before = world.one()
    assert world.question(world.token(request), **fields) is None
    assert world.question("x" * 43) is None
    assert world.one() == before


def test_a_question_before_the_request_or_long_after_it_is_none_of_ours(world: FollowingWorld) -> None:
    world.found()
    token = world.one().token
    assert world.question(token) is None
    assert world.states() == ["wanted"]
    world.follow()
    world.later(days=2)
    assert world.question(token) is None
    assert world.states() == ["wanted"]
    with pytest.raises(UsageError):
        world.question(token, challenge="")


def test_a_hub_that_asks_before_it_answers(world: FollowingWorld) -> None:
    """As those of PubSubHubbub 0.3 did ("sync")."""

    def ask_first(request: object) -> Answer:
        assert world.question(world.one().token) == "a-challenge"
        return Answer(status=204)

    world.hub.answer = ask_first
    world.found()
    world.follow()
    feed = world.one()
    assert (feed.state, feed.attempts, feed.error) == (FollowState.ACTIVE, 0, None)


def test_leases_are_renewed_before_they_end(world: FollowingWorld) -> None:
    world.found()
    first = world.confirm(lease_seconds="864000")
    world.later(days=7)
    world.follow()
    assert world.requests() == []
    world.later(days=1)
    second = world.confirm(lease_seconds="864000")
    assert (second.token, second.secret, second.state) == (first.token, first.secret, FollowState.ACTIVE)
    assert second.expires_at is not None
    assert first.expires_at is not None
    assert second.expires_at > first.expires_at


def test_a_hub_that_is_down_at_the_renewal_is_asked_until_the_lease_ends(world: FollowingWorld) -> None:
    world.found()
    world.confirm(lease_seconds="864000")
    world.hub.answer = lambda request: Answer(status=503)
    asked = 0
    while world.states() == ["active"]:
        world.later(minutes=30)
        asked += world.follow().failed
        world.requests()
        assert world.now < FIRST + timedelta(days=11)
    assert world.now > FIRST + timedelta(days=9, hours=23)
    assert 10 < asked < 20


def test_a_refusal_leaves_it_alone_for_a_day(world: FollowingWorld) -> None:
    world.hub.answer = lambda request: Answer(status=403, body=b"not\nyou")
    world.found()
    assert world.follow().refused == 1
    assert (world.states(), world.one().error) == (["refused"], "it answered 403 (not you)")
    world.requests()
    for _ in range(23):
        world.later(hours=1)
        world.found()
        world.follow()
    assert world.requests() == []
    world.later(hours=2)
    world.follow()
    assert world.states() == []
    world.hub.answer = lambda request: Answer(status=202)
    world.found()
    assert world.follow().asked == 1


def test_a_denial_at_any_time_ends_it(world: FollowingWorld) -> None:
    world.found()
    feed = world.confirm()
    assert world.question(feed.token, "denied", reason="you ask too much") == ""
    assert (world.states(), world.one().error) == (["refused"], "it denied it: you ask too much")
    assert world.message(feed.token) is None
    assert world.question(feed.token) is None, "a hub that denied must be asked again first"


def test_the_next_hub_is_asked_when_one_refuses_and_the_one_that_has_us_stays(world: FollowingWorld) -> None:
    with WebServer(lambda request: Answer(status=404)) as other:
        hubs = (other.url, world.hub.url)
        world.found(*hubs)
        world.follow()
        assert world.states() == ["refused"]
        world.found(*hubs)
        world.follow()
        (request,) = world.requests()
        assert world.question(world.token(request)) == "a-challenge"
        assert world.states() == ["refused", "active"]
        world.later(days=2)
        world.follow()
        world.found(*hubs)
        assert [(each.hub, each.state.value) for each in world.all()] == [(world.hub.url, "active")]


def test_a_hub_that_never_asks_back_is_given_up_for_a_day(world: FollowingWorld) -> None:
    world.found()
    asked = 0
    while world.states() == ["wanted"]:
        asked += world.follow().asked
        world.later(minutes=20)
    assert 3 <= asked <= 6
    assert world.one().error == "it never asked us whether we meant it"


def test_a_hub_that_cannot_be_reached_is_asked_again(world: FollowingWorld) -> None:
    world.hub.answer = lambda request: Answer(close=True)
    world.found()
    assert world.follow().failed == 1
    assert world.one().error
    world.requests()
    world.hub.answer = lambda request: Answer(status=202)
    world.later(minutes=2)
    assert world.confirm().error is None


def test_redirects_that_repeat_a_post_are_followed(world: FollowingWorld) -> None:
    world.hub.answer = lambda request: (
        Answer(status=308, headers={"location": "/new"}) if request.path == "/" else Answer(status=202)
    )
    world.found()
    assert world.follow().asked == 1
    first, second = world.requests()
    assert (second.path, second.form) == ("/new", first.form)
    world.hub.answer = lambda request: Answer(status=307, headers={"location": "/again"})
    world.found(f"{world.hub.url}/circle")
    world.follow()
    assert len([each for each in world.requests() if each.form["hub.mode"] == ["subscribe"]]) == 4
    world.hub.answer = lambda request: Answer(status=302, headers={"location": "/other"})
    world.found(f"{world.hub.url}/found")
    world.follow()
    assert "/other" not in {each.path for each in world.requests()}


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/", "http://[::1]/", "http://169.254.169.254/"])
def test_a_feed_cannot_send_us_into_our_own_network(database: Database, target: str) -> None:
    with WebServer() as hub:
        world = FollowingWorld(database, hub, networks=())
        world.found(target)
        assert world.follow().refused == 1
        assert "private address" in str(world.one().error)
        world.found()
        assert world.follow().refused == 1
        assert world.requests() == []
        world.configure(url=FEED, allow_private=True)
        world.later(days=2)
        world.follow()
        world.found()
        assert world.follow().asked == 1, "who may read feeds there may be told by their hubs"


def test_a_feed_that_names_another_hub_or_topic_is_followed_there(world: FollowingWorld) -> None:
    world.found()
    old = world.confirm()
    world.found(topic="https://agency.example/new.atom")
    assert sorted(world.states()) == ["leaving", "wanted"]
    world.follow()
    modes = {request.form["hub.mode"][0]: request for request in world.requests()}
    assert set(modes) == {"subscribe", "unsubscribe"}
    assert world.token(modes["unsubscribe"]) == old.token
    assert set(modes["unsubscribe"].form) == {"hub.mode", "hub.topic", "hub.callback"}
    assert world.question(old.token, "subscribe") is None
    assert world.question(old.token, "unsubscribe") == "a-challenge"
    assert world.question(old.token, "unsubscribe") == "a-challenge", "also when the answer was lost"
    assert sorted(world.states()) == ["left", "wanted"]
    world.later(days=2)
    world.follow()
    assert world.states() == ["wanted"]


def test_a_feed_that_names_no_hub_any_more_is_left(world: FollowingWorld) -> None:
    world.found()
    world.confirm()
    world.found("")
    assert world.states() == ["leaving"]
    world.found()
    assert world.states() == ["wanted"], "and is wanted again when it does"


@pytest.mark.parametrize("change", ["removed", "another", "off"])
def test_what_leaves_the_configuration_is_left(world: FollowingWorld, change: str) -> None:
    world.found()
    feed = world.confirm()
    assert world.leave() == 0
    changed: dict[str, dict[str, Any]] = {
        "removed": {},
        "another": {"url": "https://other.example/f"},
        "off": {"url": FEED, "websub": False},
    }
    world.configure(**changed[change])
    assert world.leave() == 1
    assert world.message(feed.token) is None
    world.follow()
    (request,) = world.requests()
    assert request.form["hub.mode"] == ["unsubscribe"]
    assert world.question(feed.token, "unsubscribe") == "a-challenge"
    assert world.leave() == 0


def test_what_was_never_asked_for_is_forgotten(world: FollowingWorld) -> None:
    world.found()
    world.configure()
    assert world.leave() == 1
    assert world.all() == []


def test_a_hub_that_cannot_be_left_is_forgotten_too(world: FollowingWorld) -> None:
    world.found()
    world.confirm()
    world.configure()
    world.leave()
    world.hub.answer = lambda request: Answer(status=500)
    while world.all():
        world.later(hours=6)
        world.follow()
        assert world.now < FIRST + timedelta(days=5)


def calls(world: FollowingWorld) -> list[FeedCall]:
    with world.database.write() as session:
        return take_calls(session, "me", world.now, limit=4)


def done(world: FollowingWorld, call: FeedCall, *, again: timedelta | None = None) -> None:
    with world.database.write() as session:
        settle(session, call, "me", due_at=world.now + again if again else None, now=world.now)


def read_first_call(world: FollowingWorld) -> str:
    """Follow, and read what the confirmation called for."""
    world.found()
    feed = world.confirm()
    (first,) = calls(world)
    done(world, first)
    world.later(minutes=1)
    return feed.token


def test_a_signed_message_calls_for_a_reading_and_no_other_does(world: FollowingWorld) -> None:
    token = read_first_call(world)
    assert world.message(token, secret="not ours") is False
    assert world.message("x" * 43) is None
    assert calls(world) == []
    assert world.one().error == "a message without the right signature was ignored"
    assert world.message(token) is True
    (call,) = calls(world)
    assert (call.source, call.feed, call.attempts) == ("agency", FEED, 1)
    assert calls(world) == [], "taken up"
    done(world, call)
    with world.database.read() as session:
        assert next_call(session) is None


def test_calls_in_a_row_are_read_together_and_apart(world: FollowingWorld) -> None:
    token = read_first_call(world)
    for _ in range(3):
        assert world.message(token)
    (call,) = calls(world)
    done(world, call)
    world.later(seconds=1)
    assert world.message(token)
    assert calls(world) == []
    world.later(seconds=CALLS_APART.total_seconds() - 1)
    assert len(calls(world)) == 1


def test_a_call_during_a_reading_is_not_lost(world: FollowingWorld) -> None:
    token = read_first_call(world)
    world.message(token)
    (call,) = calls(world)
    world.later(seconds=1)
    world.message(token)
    assert calls(world) == [], "one reading at a time"
    done(world, call)
    world.later(seconds=CALLS_APART.total_seconds())
    (newer,) = calls(world)
    assert newer.attempts == 1


def test_a_call_of_a_process_that_died_is_taken_up_by_another(world: FollowingWorld) -> None:
    token = read_first_call(world)
    world.message(token)
    (lost,) = calls(world)
    world.later(minutes=2)
    (call,) = calls(world)
    assert (call.calls, call.attempts) == (lost.calls, 2)


def test_a_call_that_waits_to_be_read_again_is_brought_forward_by_a_new_one(world: FollowingWorld) -> None:
    token = read_first_call(world)
    world.message(token)
    (call,) = calls(world)
    done(world, call, again=READ_AGAIN[-1])
    world.later(seconds=10)
    assert calls(world) == []
    world.message(token)
    (newer,) = calls(world)
    assert newer.attempts == 1


def test_old_calls_are_forgotten(world: FollowingWorld) -> None:
    token = read_first_call(world)
    with world.database.write() as session:
        assert forget_calls(session, world.now) == 1
        assert forget_calls(session, world.now) == 0
    world.message(token)
    with world.database.write() as session:
        assert forget_calls(session, world.now + timedelta(days=1)) == 0, "what is owed stays"
