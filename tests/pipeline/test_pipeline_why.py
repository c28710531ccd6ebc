"""``why``: got it or not, and because of what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from world import ScriptedSender, World, accept, courier

from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.candidacy import Absence
from syndicate.core.fate import Fate
from syndicate.errors import UnknownNameError
from syndicate.model import (
    DeliveryState,
    Envelope,
    Frequency,
    IssueState,
    Keyring,
    Outcome,
    OutcomeKind,
    SubscriptionState,
)
from syndicate.pipeline import control
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.why import IssueStory, Story, why
from syndicate.store import confirmations, owed_confirmations, suppressions
from syndicate.store.deliveries import take
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import IssueRow

ADA = "ada@example.org"


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def asked(world: World, email: str = ADA, **more: Any) -> Story:
    return why(world.database, world.settings, world.keyring, email, **more)


def issue(world: World, email: str = ADA, **more: Any) -> IssueStory:
    return asked(world, email, **more).issues[0]


def fate(world: World, key: str, email: str = ADA, **more: Any) -> Fate:
    found = issue(world, email, article=f"https://courier.example/{key}", **more).article
    assert found is not None
    return found.fate


def published(world: World, *keys: str, **fields: Any) -> None:
    for key in keys:
        world.article(key, **fields)
    world.poll()


def answering(*outcomes: tuple[OutcomeKind, int, str]) -> ScriptedSender:
    rest = list(outcomes)

    def answer(envelope: Envelope) -> Outcome:
        kind, code, said = rest.pop(0)
        return Outcome(kind=kind, code=code, text=said, relay="mx.example:25")

    return ScriptedSender(answer=answer, connections=1)


def test_the_whole_story_of_a_delivery(world: World) -> None:
    world.subscriber(ADA, language="de")
    published(world, "a", "b")
    world.compose()
    world.deliver(answering((OutcomeKind.DEFERRED, 450, "4.2.0 greylisted")))
    world.now += timedelta(minutes=10)
    world.deliver(answering((OutcomeKind.IN_DOUBT, 0, "no answer to the whole message: timed out")))
    control.resolve(world.database, 1, how="resend", now=world.now)
    world.deliver(answering((OutcomeKind.ACCEPTED, 250, "2.0.0 Ok")))
    story = asked(world)
    (told,) = story.issues
    assert (told.selected, told.got, told.reason) == (True, True, None)
    assert [each.event for each in told.history] == ["queued", "deferred", "in_doubt", "resent", "accepted"]
    assert [each.attempt for each in told.history] == [None, 1, 2, 2, 3]
    assert told.history[1].next_at is not None
    assert told.history[1].relay == "mx.example:25"
    assert told.cohort is not None
    assert (told.cohort.standing.cursor, told.cohort.standing.first, told.cohort.language) == (0, True, "de")
    assert told.edition is not None
    assert [told.titles[entry["id"]][0] for entry in told.edition.articles] == ["Story b", "Story a"]
    assert [each.state for each in story.subscriptions] == [SubscriptionState.CONFIRMED]


def test_a_refusal_names_its_class_and_words(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    world.deliver(answering((OutcomeKind.REJECTED, 550, "5.1.1 no such user")))
    told = issue(world)
    assert (told.got, told.reason) == (False, "hard")
    assert told.because == "did not get it: mx.example:25 refused it (hard): 550 5.1.1 no such user"
    assert [each.event for each in told.history] == ["queued", "rejected"]


def test_what_a_dead_process_held_is_in_doubt_and_nobody_knows(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    with world.database.write() as session:
        take(session, holder="dead", now=world.now, limit=1)
    assert issue(world).history[-1].event == "sending"
    world.deliver(ScriptedSender())
    told = issue(world)
    assert (told.got, told.reason) == (None, "the sending process died")
    assert "syndicate issues resolve" in told.because
    control.resolve(world.database, 1, how="skip", now=world.now)
    assert [each.event for each in issue(world).history] == ["queued", "in_doubt", "skipped"]


def test_suppressed_readers_are_told_why(world: World, keyring: Keyring) -> None:
    world.subscriber(ADA)
    published(world, "a")
    with world.database.write() as session:
        value = hash_address(parse_address(ADA).key, keyring.hash_key)
        suppressions.add(session, "address", value, SuppressionReason.COMPLAINT, now=world.now)
    world.compose()
    story = asked(world)
    assert story.suppression is not None
    assert story.suppression.reason is SuppressionReason.COMPLAINT
    (told,) = story.issues
    assert (told.selected, told.got, told.reason) == (True, False, "complaint")
    assert told.history[-1].text == "suppressed at the freeze already: complaint"


def test_why_an_issue_is_not_for_a_reader(world: World) -> None:
    world.subscriber("bo@example.org")
    world.subscriber(ADA, frequency=Frequency.WEEKLY)
    world.subscriber("cy@example.org", state=SubscriptionState.UNCONFIRMED)
    world.subscriber("di@example.org", state=SubscriptionState.UNSUBSCRIBED)
    world.subscriber("ed@example.org", topics={"port": 0})
    published(world, "a")
    world.compose(frequencies=["daily"])
    world.now += timedelta(hours=1)
    world.subscriber("flo@example.org")
    reasons = {name: issue(world, f"{name}@example.org").reason for name in ("ada", "cy", "di", "ed", "flo")}
    assert reasons == {
        "ada": Absence.OTHER_FREQUENCY,
        "cy": Absence.UNCONFIRMED,
        "di": Absence.UNSUBSCRIBED,
        "ed": Absence.NOTHING_NEW,
        "flo": Absence.JOINED_LATER,
    }
    assert {issue(world, f"{name}@example.org").got for name in reasons} == {False}


def test_a_skipped_issue_and_one_of_a_digest_without_subscription(world: World) -> None:
    world.subscriber(ADA)
    world.compose()
    told = issue(world)
    assert told.issue.state is IssueState.SKIPPED
    assert told.because == "not sent to anybody: nothing new for 1 subscription"
    with world.database.write() as session:
        session.execute(text("UPDATE issues SET digest = 'evening', state = 'finished'"))
    assert asked(world).issues == []
    assert issue(world, issue_id=1).reason is Absence.NOT_SUBSCRIBED


def test_who_waits_for_more_is_told_from_what_the_issue_before_left(world: World) -> None:
    world.settings = courier(min_items=2)
    world.subscriber(ADA, topics={"port": 0})
    world.subscriber("bo@example.org")
    published(world, "a", "b", tags=["port"])
    world.compose("daily/1")
    published(world, "c", tags=["port"])
    published(world, "d", "e")
    world.compose("daily/2")
    assert [told.selected for told in asked(world).issues] == [False, True]
    assert issue(world).reason is Absence.TOO_LITTLE_NEW
    assert "min_items (2)" in issue(world).because


def test_pruned_rows_cannot_tell(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    world.deliver(ScriptedSender())
    with world.database.write() as session:
        session.execute(text("DELETE FROM deliveries"))
        session.execute(update(IssueRow).values(final_counts={"accepted": 1}))
    told = issue(world)
    assert (told.got, told.reason) == (None, Absence.PRUNED)


def test_the_fates_of_articles(world: World) -> None:
    world.settings = courier(max_items=2, overflow="carry", categories=["Port"])
    world.subscriber(ADA, topics={"ships": 0})
    published(world, "old", tags=["ships"], category="Port", age=timedelta(days=40))
    world.now += timedelta(hours=1)
    with world.database.write() as session:
        session.execute(text("UPDATE subscriptions SET joined_seq = 1"))
    published(world, "first", tags=["ships"], category="Port")
    world.compose("daily/1")
    world.deliver(ScriptedSender())
    world.now += timedelta(hours=1)
    published(world, "a", "b", tags=["ships"], category="Port")
    published(world, "c", tags=["ships"], category="Port", age=timedelta(hours=9))
    published(world, "cranes", tags=["cranes"], category="Port")
    published(world, "sport", tags=["ships"], category="Sport")
    published(world, "gone", tags=["ships"], category="Port", withdrawn=True)
    published(world, "over", tags=["ships"], category="Port", expires=world.now - timedelta(minutes=1))
    published(world, "waits", tags=["ships"], category="Port", age=timedelta(days=-1))
    world.compose("daily/2")
    published(world, "late", tags=["ships"], category="Port")
    keys = ("a", "b", "c", "first", "old", "cranes", "sport", "gone", "over", "waits", "late")
    assert {key: fate(world, key).value for key in keys} == {
        "a": "full",
        "b": "full",
        "c": "carried",
        "first": "considered",
        "old": "considered",
        "cranes": "other_topic",
        "sport": "not_of_digest",
        "gone": "not_published",
        "over": "expired",
        "waits": "not_published",
        "late": "later",
    }
    assert fate(world, "old", issue_id=1) is Fate.TOO_OLD
    told = issue(world, article="https://courier.example/first").article
    assert told is not None
    assert told.got_in == 1
    assert "issue 1 had it; the cursor stood at 2" in told.because
    told = issue(world, article="https://courier.example/cranes").article
    assert told is not None
    assert told.because.endswith("(its topics: Port, cranes; chosen: ships)")


def test_an_article_withdrawn_after_the_issue_was_still_in_it(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b")
    world.compose("daily/1")
    world.deliver(ScriptedSender())
    world.now += timedelta(hours=1)
    published(world, "a", withdrawn=True)
    published(world, "c")
    world.now += timedelta(hours=1)
    world.compose("daily/2")
    assert fate(world, "a", issue_id=1) is Fate.FULL
    assert fate(world, "a", issue_id=2) is Fate.WITHDRAWN


def test_an_article_that_nobody_knows_is_an_error(world: World) -> None:
    world.subscriber(ADA)
    with pytest.raises(UnknownNameError, match=r"https://courier\.example/nothing"):
        asked(world, article="https://courier.example/nothing")
    with pytest.raises(UnknownNameError, match="no issue 9"):
        asked(world, issue_id=9)


def test_an_unknown_address_gets_suggestions(world: World) -> None:
    for name in ("ada", "adam", "zoe"):
        world.subscriber(f"{name}@example.org")
    story = asked(world, "adda@example.org")
    assert story.subscriber is None
    assert "ada@example.org" in story.suggestions
    assert "zoe@example.org" not in story.suggestions
    assert asked(world, "zoë@nowhere.example").suggestions == []


def test_an_erased_reader_cannot_be_known(world: World, keyring: Keyring) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    world.deliver(ScriptedSender(answer=accept))
    erase(world.database, keyring, ADA, now=world.now, block=True)
    story = asked(world, issue_id=1)
    assert (story.subscriber, story.nameless) == (None, 1)
    assert story.suppression is not None
    assert story.suppression.reason is SuppressionReason.ERASURE


def test_the_newest_issues_come_first_and_are_limited(world: World) -> None:
    world.subscriber(ADA)
    for number in range(4):
        published(world, f"s{number}")
        world.compose(f"daily/{number}")
    assert [told.issue.id for told in asked(world, limit=3).issues] == [4, 3, 2]


def test_a_confirmation_mail_that_waits_is_told(world: World) -> None:
    subscriber_id = world.subscriber(ADA, state=SubscriptionState.UNCONFIRMED)
    assert asked(world).confirmations == {}
    with world.database.write() as session:
        number = session.execute(
            text("SELECT id FROM subscriptions WHERE subscriber_id = :id"), {"id": subscriber_id}
        ).scalar_one()
        assert owed_confirmations.queue(session, number, world.now)
        assert confirmations.waiting(session).next_at == world.now
        confirmations.mark_sending(session, confirmations.due(session, world.now, 1)[0].id, "me", world.now)
        assert confirmations.waiting(session).sending == 1
        later = world.now + timedelta(hours=1)
        confirmations.record(
            session, 1, DeliveryState.DEFERRED, "4.2.0 greylisted", holder="me", now=world.now, due_at=later
        )
        waiting = confirmations.waiting(session)
    assert (waiting.queued, waiting.deferred, waiting.sending, waiting.next_at) == (0, 1, 0, later)
    (told,) = asked(world).confirmations.values()
    assert (told.state, told.attempts, told.reply) == (DeliveryState.DEFERRED, 1, "4.2.0 greylisted")
    assert (told.next_try_at, told.finished_at) == (later, None)
