"""Subscribe, confirm, choose, leave, come back, be erased; on both databases."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from members_setup import SETTINGS, add, freeze_at, rows, set_seq, sign_up
from sqlalchemy import text

from syndicate.core.addresses import hash_address
from syndicate.core.links import Purpose, sign, sign_for_mail
from syndicate.errors import (
    AddressError,
    ExpiredTokenError,
    SyndicateError,
    TokenError,
    TransitionError,
    UnknownNameError,
    UsageError,
)
from syndicate.model import Frequency, Keyring, SubscriptionState
from syndicate.pipeline.members.confirming import confirm
from syndicate.pipeline.members.describing import person_document
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.members.preferences import Preferences, change_preferences, show
from syndicate.pipeline.members.subscribing import Answer
from syndicate.pipeline.members.unsubscribing import undo, unsubscribe, unsubscribe_address, unsubscribe_by_mail
from syndicate.store import suppressions
from syndicate.store.engine import Database

EVENTS = "SELECT event, via FROM consent_events ORDER BY id"
ANN = "ann@example.org"


def number(done: object) -> int:
    subscription = done.subscription  # type: ignore[attr-defined]
    assert subscription is not None
    return int(subscription.id)


def confirm_link(keyring: Keyring, subscription_id: int, now: datetime) -> str:
    return sign(keyring, Purpose.CONFIRM, subscription_id, expires_at=now + timedelta(hours=72))


def test_double_opt_in_from_form_to_confirmation(database: Database, keyring: Keyring, now: datetime) -> None:
    done = sign_up(
        database, keyring, "Ann@Example.org", now, name="Ann", topics=("port",), wording="Yes, send me the Courier."
    )
    assert done.answer is Answer.CONFIRMATION_OWED
    assert done.subscription is not None
    assert done.subscription.state is SubscriptionState.UNCONFIRMED
    assert rows(database, "SELECT state FROM confirmations") == [("queued",)]
    token = confirm_link(keyring, number(done), now)
    later = now + timedelta(hours=1)
    confirmed = confirm(database, keyring, token, now=later)
    assert confirmed.state is SubscriptionState.CONFIRMED
    assert confirmed.confirmed_at == later
    assert confirm(database, keyring, token, now=later + timedelta(hours=1)) == confirmed
    assert rows(database, "SELECT state FROM confirmations") == [("cancelled",)]
    assert rows(database, EVENTS) == [("subscribe", "page"), ("confirm", "page")]
    (detail,) = rows(database, "SELECT detail FROM consent_events WHERE event = 'subscribe'")[0]
    assert "Yes, send me the Courier." in detail
    assert "wording_sha256" in detail


def test_single_opt_in_and_the_operators_word_confirm_at_once(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    assert sign_up(database, keyring, ANN, now, digest="weekend").answer is Answer.CONFIRMED
    assert add(database, keyring, ANN, now).answer is Answer.CONFIRMED
    assert rows(database, "SELECT count(*) FROM confirmations") == [(0,)]
    assert rows(database, "SELECT count(*) FROM subscribers") == [(1,)]
    assert rows(database, EVENTS) == [("subscribe_single", "page"), ("operator_confirmed", "cli")]


def test_a_stranger_cannot_declare_consent(database: Database, keyring: Keyring, now: datetime) -> None:
    assert sign_up(database, keyring, ANN, now, confirmed=True).answer is Answer.CONFIRMATION_OWED


def test_a_form_does_not_change_what_a_reader_chose(database: Database, keyring: Keyring, now: datetime) -> None:
    add(database, keyring, ANN, now, name="Ann", frequency="weekly", topics=("port",))
    again = sign_up(database, keyring, ANN, now, name="Mallory", frequency="daily", topics=("sport",))
    assert again.answer is Answer.ALREADY
    assert again.subscriber is not None
    assert again.subscriber.name == "Ann"
    assert again.subscription is not None
    assert again.subscription.frequency is Frequency.WEEKLY
    assert again.subscription.topics == {"port": 0}
    assert rows(database, EVENTS) == [("operator_confirmed", "cli")]


def test_an_operator_sets_what_is_given(database: Database, keyring: Keyring, now: datetime) -> None:
    add(database, keyring, ANN, now, name="Ann", language="EN_gb")
    set_seq(database, 40)
    freeze_at(database, 40)
    again = add(database, keyring, ANN, now, frequency="weekly", topics=("Port",), timezone="Europe/London")
    assert again.answer is Answer.ALREADY
    assert again.subscriber is not None
    assert (again.subscriber.name, again.subscriber.language) == ("Ann", "en-GB")
    assert again.subscriber.timezone == "Europe/London"
    assert again.subscription is not None
    assert again.subscription.frequency is Frequency.WEEKLY
    assert again.subscription.topics == {"port": 0}


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"digest": "evening"}, UnknownNameError),
        ({"frequency": "hourly"}, UsageError),
        ({"frequency": "monthly"}, UsageError),
        ({"topics": ("opera",)}, UsageError),
        ({"timezone": "Mars/Base"}, UsageError),
        ({"language": "?"}, UsageError),
    ],
)
def test_what_is_not_on_offer_is_named_and_stores_nothing(
    database: Database, keyring: Keyring, now: datetime, wish: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        add(database, keyring, ANN, now, **wish)
    with pytest.raises(AddressError):
        add(database, keyring, "nobody", now)
    assert rows(database, "SELECT count(*) FROM subscribers") == [(0,)]


def test_suppressed_addresses_are_not_stored(database: Database, keyring: Keyring, now: datetime) -> None:
    with database.write() as session:
        hashed = hash_address(ANN, keyring.hash_key)
        suppressions.add(session, "address", hashed, suppressions.SuppressionReason.COMPLAINT, now=now)
    for done in (add(database, keyring, "ANN@example.org", now), sign_up(database, keyring, ANN, now)):
        assert (done.answer, done.reason) == (Answer.SUPPRESSED, "complaint")
    assert rows(database, "SELECT count(*) FROM subscribers") == [(0,)]


def test_unsubscribing_is_idempotent_and_stops_a_waiting_confirmation(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    done = sign_up(database, keyring, ANN, now)
    token = sign(keyring, Purpose.UNSUBSCRIBE, number(done))
    (first,) = unsubscribe(database, keyring, token, now=now, via="one_click")
    (second,) = unsubscribe(database, keyring, token, now=now + timedelta(days=400), via="page")
    assert (first.changed, second.changed) == (True, False)
    assert first.subscription is not None
    assert first.subscription.unsubscribed_at == now
    assert second.subscription == first.subscription
    assert rows(database, "SELECT state FROM confirmations") == [("cancelled",)]
    assert rows(database, EVENTS) == [("subscribe", "page"), ("unsubscribe", "one_click")]


def test_by_mail_and_by_address(database: Database, keyring: Keyring, now: datetime) -> None:
    done = add(database, keyring, ANN, now)
    add(database, keyring, ANN, now, digest="weekend")
    token = sign_for_mail(keyring, Purpose.UNSUBSCRIBE, number(done)).upper()
    assert unsubscribe_by_mail(database, keyring, token, now=now)[0].changed
    ended = unsubscribe_address(database, "ANN@example.org", now=now)
    assert [one.changed for one in ended] == [False, True]
    assert unsubscribe_address(database, ANN, now=now, digests=["morning"])[0].changed is False
    with pytest.raises(UnknownNameError):
        unsubscribe_address(database, "bo@example.org", now=now)


def test_an_old_confirm_link_does_not_bring_anybody_back(database: Database, keyring: Keyring, now: datetime) -> None:
    done = sign_up(database, keyring, ANN, now)
    link = confirm_link(keyring, number(done), now)
    confirm(database, keyring, link, now=now)
    unsubscribe(database, keyring, sign(keyring, Purpose.UNSUBSCRIBE, number(done)), now=now)
    with pytest.raises(TransitionError):
        confirm(database, keyring, link, now=now + timedelta(hours=1))
    with pytest.raises(ExpiredTokenError):
        confirm(database, keyring, link, now=now + timedelta(hours=72))
    assert rows(database, "SELECT state FROM subscriptions") == [("unsubscribed",)]


@pytest.mark.parametrize("digest", ["morning", "weekend"])
def test_coming_back_repeats_nothing_and_floods_nobody(
    database: Database, keyring: Keyring, now: datetime, digest: str
) -> None:
    done = add(database, keyring, ANN, now, digest=digest)
    freeze_at(database, 33)
    with database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET carry = '[4,5]'"))
    unsubscribe_address(database, ANN, now=now)
    later = now + timedelta(days=90)
    assert sign_up(database, keyring, ANN, later, digest=digest).answer is Answer.CONFIRMATION_OWED
    assert rows(database, "SELECT state FROM subscriptions") == [("unconfirmed",)]
    back = confirm(database, keyring, confirm_link(keyring, number(done), later), now=later)
    assert (back.state, back.cursor, back.first, back.carry) == (SubscriptionState.CONFIRMED, 33, True, ())
    assert (back.confirmed_at, back.unsubscribed_at) == (later, None)


def test_undo_restores_what_was(database: Database, keyring: Keyring, now: datetime) -> None:
    done = add(database, keyring, ANN, now)
    freeze_at(database, 33)
    with database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET carry = '[4,5]'"))
    token = sign(keyring, Purpose.UNSUBSCRIBE, number(done))
    before = show(database, keyring, Purpose.UNSUBSCRIBE, token, now=now)
    assert before is not None
    assert not before.may_undo
    unsubscribe(database, keyring, token, now=now)
    ended = show(database, keyring, Purpose.UNSUBSCRIBE, token, now=now)
    assert ended is not None
    assert ended.may_undo
    (restored,) = undo(database, keyring, token, now=now + timedelta(hours=23))
    assert restored == before.subscription
    assert undo(database, keyring, token, now=now) == [restored]


def test_undo_has_its_limits(database: Database, keyring: Keyring, now: datetime) -> None:
    done = add(database, keyring, ANN, now)
    token = sign(keyring, Purpose.UNSUBSCRIBE, number(done))
    unsubscribe(database, keyring, token, now=now)
    with pytest.raises(TransitionError):
        undo(database, keyring, token, now=now + timedelta(days=1))
    with database.write() as session:
        hashed = hash_address(ANN, keyring.hash_key)
        suppressions.add(session, "address", hashed, suppressions.SuppressionReason.COMPLAINT, now=now)
    with pytest.raises(TransitionError):
        undo(database, keyring, token, now=now)
    with database.write() as session:
        suppressions.remove(session, "address", hashed)
    undo(database, keyring, token, now=now)
    unsubscribe_address(database, ANN, now=now)
    with pytest.raises(TransitionError):
        undo(database, keyring, token, now=now)  # the operator ended it


def test_undo_does_not_confirm_whoever_never_did(database: Database, keyring: Keyring, now: datetime) -> None:
    done = sign_up(database, keyring, ANN, now)
    token = sign(keyring, Purpose.UNSUBSCRIBE, number(done))
    unsubscribe(database, keyring, token, now=now)
    with pytest.raises(TransitionError):
        undo(database, keyring, token, now=now)


def test_preferences(database: Database, keyring: Keyring, now: datetime) -> None:
    done = add(database, keyring, ANN, now, name="Ann")
    set_seq(database, 50)
    freeze_at(database, 40)
    token = sign(keyring, Purpose.PREFERENCES, number(done))
    wanted = Preferences(frequency="weekly", topics=("port",), name="Ann B.", language="de", timezone="Europe/Berlin")
    after = change_preferences(database, SETTINGS, keyring, token, wanted, now=now)
    assert after == show(database, keyring, Purpose.PREFERENCES, token, now=now)
    assert (after.name, after.language, after.timezone) == ("Ann B.", "de", "Europe/Berlin")
    assert after.subscription.frequency is Frequency.WEEKLY
    assert after.subscription.topics == {"port": 0}
    assert after.subscription.cursor == 40
    assert after.masked_email == "a***@example.org"
    more = change_preferences(
        database, SETTINGS, keyring, token, Preferences(topics=("port", "sport"), language=""), now=now
    )
    assert more.subscription.topics == {"port": 0, "sport": 50}
    assert more.language is None
    caught_up = Preferences(topics=("port", "sport", "town"), catch_up=True)
    all_three = change_preferences(database, SETTINGS, keyring, token, caught_up, now=now)
    assert all_three.subscription.topics == {"port": 0, "sport": 50, "town": 0}
    count = rows(database, "SELECT count(*) FROM consent_events")
    change_preferences(database, SETTINGS, keyring, token, caught_up, now=now)
    assert rows(database, "SELECT count(*) FROM consent_events") == count
    assert "Ann B." not in str(rows(database, "SELECT detail FROM consent_events"))


def test_preferences_that_are_not_on_offer_change_nothing(database: Database, keyring: Keyring, now: datetime) -> None:
    done = add(database, keyring, ANN, now)
    token = sign(keyring, Purpose.PREFERENCES, number(done))
    before = show(database, keyring, Purpose.PREFERENCES, token, now=now)
    for wanted in (
        Preferences(name="Mallory", frequency="instant"),
        Preferences(name="Mallory", topics=("opera",)),
        Preferences(name="Mallory", language="!"),
        Preferences(name="Mallory", timezone="x"),
    ):
        with pytest.raises(UsageError):
            change_preferences(database, SETTINGS, keyring, token, wanted, now=now)
    with pytest.raises(TokenError):
        change_preferences(database, SETTINGS, keyring, sign(keyring, Purpose.UNSUBSCRIBE, 1), Preferences(), now=now)
    assert show(database, keyring, Purpose.PREFERENCES, token, now=now) == before
    unsubscribe_address(database, ANN, now=now)
    with pytest.raises(TransitionError):
        change_preferences(database, SETTINGS, keyring, token, Preferences(name="Ann"), now=now)


def test_erasing_leaves_nothing_that_names_the_person(database: Database, keyring: Keyring, now: datetime) -> None:
    done = sign_up(database, keyring, "ann.secret@example.org", now, name="Ann Secret")
    with database.write() as session:
        connection = session.connection()
        connection.execute(
            text(
                "INSERT INTO issues (id, digest, period, state, subject, max_seq, recipients, composed_at) "
                "VALUES (1, 'morning', 'daily/2026-11-22', 'finished', 'x', 0, 1, '2026-11-22 08:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO deliveries (issue_id, subscriber_id, state, attempts, due_at, resolved, reply_code, reply) "
                "VALUES (1, :who, 'rejected', 1, '2026-11-22 08:00:00', :no, 550, 'no ann.secret@example.org here')"
            ),
            {"who": done.subscriber.id if done.subscriber else 0, "no": False},
        )
        hashed = hash_address("ann.secret@example.org", keyring.hash_key)
        suppressions.add(session, "address", hashed, suppressions.SuppressionReason.HARD, now=now)
    assert erase(database, keyring, "Ann.Secret@example.org", now=now)
    assert not erase(database, keyring, "ann.secret@example.org", now=now)
    for table in tables(database):
        assert "secret" not in str(rows(database, f"SELECT * FROM {table}")).lower(), table  # noqa: S608 - our own names
    assert rows(database, "SELECT issue_id, subscriber_id, reply_code, reply FROM deliveries") == [(1, None, 550, None)]
    assert rows(database, "SELECT reason FROM suppressions") == [("hard",)]
    token = sign(keyring, Purpose.UNSUBSCRIBE, number(done))
    assert show(database, keyring, Purpose.UNSUBSCRIBE, token, now=now) is None
    assert unsubscribe(database, keyring, token, now=now)[0].subscription is None


def tables(database: Database) -> list[str]:
    sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
    postgresql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return [name for (name,) in rows(database, sqlite if database.dialect == "sqlite" else postgresql)]


def test_erasing_can_block_an_address_for_good(database: Database, keyring: Keyring, now: datetime) -> None:
    assert not erase(database, keyring, ANN, now=now, block=True)
    done = add(database, keyring, ANN, now)
    assert (done.answer, done.reason) == (Answer.SUPPRESSED, "gdpr-erasure")


def test_a_number_is_never_given_again(database: Database, keyring: Keyring, now: datetime) -> None:
    old = add(database, keyring, ANN, now)
    erase(database, keyring, ANN, now=now)
    new = add(database, keyring, "bo@example.org", now)
    assert number(new) > number(old)


def test_all_that_is_stored_of_a_person(database: Database, keyring: Keyring, now: datetime) -> None:
    sign_up(database, keyring, ANN, now, name="Ann", wording="Yes.")
    document = person_document(database, keyring, ANN)
    assert document["email"] == ANN
    assert document["suppression"] is None
    (subscription,) = document["subscriptions"]
    assert subscription["state"] == "unconfirmed"
    assert subscription["topics"] == ["*"]
    assert subscription["consent"][0]["wording"] == "Yes."
    assert document["deliveries"] == []
    with pytest.raises(UnknownNameError):
        person_document(database, keyring, "bo@example.org")


def test_many_at_once_make_one_subscriber(database: Database, keyring: Keyring, now: datetime) -> None:
    start = threading.Barrier(4)
    failures: list[SyndicateError] = []

    def go() -> None:
        start.wait()
        try:
            sign_up(database, keyring, ANN, now)
        except SyndicateError as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [error for error in failures if "try again" not in str(error)]
    assert rows(database, "SELECT count(*) FROM subscribers") == [(1,)]
    assert rows(database, "SELECT count(*) FROM subscriptions") == [(1,)]
    assert rows(database, "SELECT count(*) FROM confirmations") == [(1,)]
