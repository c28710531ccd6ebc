"""What comes back is applied once, to whom it concerns, and only when it is genuine; on both databases."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from world import ScriptedSender, World, accept, courier

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.links import Purpose, message_id_token, sign_for_mail, tagged_address
from syndicate.model import DeliveryState, Envelope, IssueState, Keyring, Outcome, SigningKey, SubscriptionState
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.returns import Fate, Taken, take_return
from syndicate.pipeline.upkeep import prune
from syndicate.store import bounces, subscribers
from syndicate.store.address_changes import add_change, complete_change, find_change
from syndicate.store.engine import Database
from syndicate.store.limits import limits_in_force
from syndicate.store.suppressions import suppressions

READER = "ann@reader.example"
FORGER = Keyring(keys=(SigningKey(id="k2", secret=b"x" * 32),), hash_key=b"y" * 32)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def sent(world: World) -> tuple[int, int]:
    """An issue that Ann was sent; its id and hers."""
    with world.database.read() as session:
        person = subscribers.find_subscriber(session, READER)
    reader = person.id if person else world.subscriber(READER)
    world.article(f"story-{world.now:%Y-%m-%d}")
    world.poll()
    issue = world.compose(f"daily/{world.now:%Y-%m-%d}")
    world.deliver(ScriptedSender())
    assert world.counts(issue.id).accepted == 1
    return issue.id, reader


def report(
    issue: int, reader: int, keyring: Keyring, words: str, *, recipient: str = READER, action: str = "failed"
) -> bytes:
    to = tagged_address("bounces@courier.example", sign_for_mail(keyring, Purpose.BOUNCE, issue, reader))
    return f"""\
From: MAILER-DAEMON@mx.reader.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {words.split()[1]}
Diagnostic-Code: smtp; {words}

--b--
""".encode()


UNKNOWN, FULL, SPAM = "550 5.1.1 user unknown", "552 5.2.2 mailbox full", "554 5.7.1 rejected as spam"


def take(world: World, data: bytes) -> Taken:
    return take_return(world.database, world.settings, world.keyring, data, now=world.now)


def listed(world: World) -> list[tuple[str, str]]:
    with world.database.read() as session:
        return [(one.reason.value, one.note) for one in suppressions(session)]


def test_a_dead_address_is_suppressed_and_gets_nothing_more(world: World) -> None:
    issue, reader = sent(world)
    taken = take(world, report(issue, reader, world.keyring, UNKNOWN))
    assert (taken.fate, taken.cls, taken.suppressed, taken.ours) == (Fate.APPLIED, "hard", True, True)
    assert listed(world) == [("hard", "dead address, 1 issue")]
    world.now += timedelta(days=1)
    world.article("next")
    world.poll()
    counts = world.counts(world.compose("daily/2026-11-23").id)
    assert (counts.suppressed, counts.queued) == (1, 0)


def test_what_is_queued_already_does_not_leave_either(world: World) -> None:
    issue, reader = sent(world)
    world.now += timedelta(days=1)
    world.article("next")
    world.poll()
    following = world.compose("daily/2026-11-23")
    take(world, report(issue, reader, world.keyring, UNKNOWN))
    sender = ScriptedSender()
    world.deliver(sender)
    assert sender.got == []
    assert world.counts(following.id).suppressed == 1


def test_the_same_message_counts_once(world: World) -> None:
    issue, reader = sent(world)
    data = report(issue, reader, world.keyring, FULL)
    assert [take(world, data).fate for _ in range(3)] == [Fate.APPLIED, Fate.KNOWN, Fate.KNOWN]
    assert take(world, data.replace(b"\n", b"\r\n")).fate is Fate.KNOWN
    with world.database.read() as session:
        assert bounces.bounce_counts(session, issue) == {"soft": 1}


def test_our_own_fault_suppresses_nobody(world: World) -> None:
    issue, reader = sent(world)
    taken = take(world, report(issue, reader, world.keyring, SPAM))
    assert (taken.fate, taken.cls, taken.suppressed) == (Fate.APPLIED, "block", False)
    assert taken.words == "554 5.7.1 rejected as spam"
    assert listed(world) == []


def test_a_full_mailbox_is_given_time_and_a_success_clears_it(world: World) -> None:
    for _ in range(4):
        take(world, report(*sent(world), world.keyring, FULL))
        world.now += timedelta(days=5)
    sent(world)  # this one arrives
    world.now += timedelta(days=5)
    for _ in range(4):
        assert not take(world, report(*sent(world), world.keyring, FULL)).suppressed
        world.now += timedelta(days=5)
    assert listed(world) == []
    assert take(world, report(*sent(world), world.keyring, FULL)).suppressed
    assert listed(world) == [("hard", "5 issues in a row came back, over 20 days")]


def test_a_delay_counts_for_nothing(world: World) -> None:
    for _ in range(7):
        data = report(*sent(world), world.keyring, "450 4.4.1 timed out", action="delayed")
        assert not take(world, data).suppressed
        world.now += timedelta(days=5)
    assert listed(world) == []


def test_forged_ones_count_for_nothing(world: World) -> None:
    issue, reader = sent(world)
    assert take(world, report(issue, reader, FORGER, UNKNOWN)).fate is Fate.FOREIGN
    never = take(world, report(issue + 1, reader, world.keyring, UNKNOWN))
    assert (never.fate, never.suppressed) == (Fate.NOT_SENT, False)
    nobody = take(world, report(issue, reader + 1, world.keyring, UNKNOWN))
    assert (nobody.fate, nobody.suppressed) == (Fate.NOT_SENT, False)
    assert listed(world) == []


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.REJECTED, DeliveryState.SUPPRESSED])
def test_what_never_left_cannot_come_back(world: World, state: DeliveryState) -> None:
    issue, reader = sent(world)
    with world.database.write() as session:
        session.connection().execute(text("UPDATE deliveries SET state = :state"), {"state": state.value})
    assert take(world, report(issue, reader, world.keyring, UNKNOWN)).fate is Fate.NOT_SENT


def test_it_is_about_our_reader_whatever_address_it_names(world: World) -> None:
    issue, reader = sent(world)
    # Her mail is forwarded, and the server there names only the place that it knows.
    taken = take(world, report(issue, reader, world.keyring, UNKNOWN, recipient="a.smith@office.example"))
    assert taken.suppressed
    with world.database.read() as session:
        hashed = subscribers.hash_and_domain(session, reader)
        assert hashed is not None
        assert [one.value for one in suppressions(session)] == [hashed[0]]


def test_a_complaint_suppresses_and_names_whose_subscriptions_end(world: World) -> None:
    issue, reader = sent(world)
    token = message_id_token(world.keyring, issue, reader)
    data = (
        "From: complaints@provider.example\nTo: bounces@courier.example\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{token}@courier.example>\nTo: redacted\n\n--b--\n"
    )
    taken = take(world, data.encode())
    assert (taken.fate, taken.cls, taken.suppressed, taken.subscriber_id) == (Fate.APPLIED, "complaint", True, reader)
    assert listed(world) == [("complaint", "the reader complained")]


def test_an_answer_of_a_machine_is_applied_and_changes_nothing(world: World) -> None:
    issue, reader = sent(world)
    token = message_id_token(world.keyring, issue, reader)
    answer = f"From: {READER}\nIn-Reply-To: <{token}@courier.example>\nSubject: Automatic reply: x\n\nAway.\n"
    taken = take(world, answer.encode())
    assert (taken.fate, taken.cls, taken.suppressed) == (Fate.APPLIED, "autoreply", False)
    person = f"From: {READER}\nIn-Reply-To: <{token}@courier.example>\nSubject: Re: x\n\nThank you!\n"
    assert (take(world, person.encode()).fate, take(world, person.encode()).ours) == (Fate.UNCLEAR, False)


def test_evidence_goes_in_time_and_with_the_person(world: World) -> None:
    issue, reader = sent(world)
    take(world, report(issue, reader, world.keyring, FULL))

    def kept() -> list[tuple[str, bool]]:
        with world.database.read() as session:
            found = session.connection().execute(text("SELECT cls, message IS NOT NULL FROM bounces"))
            return [(row[0], bool(row[1])) for row in found]

    prune(world.database, world.settings, world.now + timedelta(days=89))
    assert kept() == [("soft", True)]
    prune(world.database, world.settings, world.now + timedelta(days=91))
    assert kept() == [("soft", False)]
    erase(world.database, world.keyring, READER, now=world.now)
    assert kept() == []
    assert take(world, report(issue, reader, world.keyring, UNKNOWN)).fate is Fate.NOT_SENT


def test_what_an_operator_undid_counts_no_more(world: World) -> None:
    issue, reader = sent(world)
    take(world, report(issue, reader, world.keyring, UNKNOWN))
    with world.database.write() as session:
        hashed = subscribers.hash_and_domain(session, reader)
        assert hashed is not None
        assert bounces.absolve(session, hashed[0]) == 1
        assert bounces.history(session, reader)[0] == []
        subscription = subscribers.subscription_to(session, reader, "morning")
        assert subscription is not None
        assert subscription.state is SubscriptionState.CONFIRMED


def test_an_address_that_she_has_left_speaks_not_against_the_new_one(world: World) -> None:
    issue, reader = sent(world)
    take(world, report(issue, reader, world.keyring, FULL))
    world.now += timedelta(hours=1)
    with world.database.write() as session:
        address = parse_address("ann@new.example")
        number = add_change(session, reader, address, hash_address(address.key, world.keyring.hash_key), world.now)
        change = find_change(session, number)
        assert change is not None
        complete_change(session, change, world.now)
    world.now += timedelta(hours=1)
    late = take(world, report(issue, reader, world.keyring, UNKNOWN))
    assert (late.fate, late.suppressed) == (Fate.APPLIED, False)
    assert listed(world) == []
    with world.database.read() as session:
        assert bounces.history(session, reader)[0] == []
    world.now += timedelta(days=1)
    assert take(world, report(*moved(world), world.keyring, UNKNOWN)).suppressed


def moved(world: World) -> tuple[int, int]:
    """The next issue to her new address."""
    world.article(f"story-{world.now:%Y-%m-%d}")
    world.poll()
    issue = world.compose(f"daily/{world.now:%Y-%m-%d}")
    world.deliver(ScriptedSender())
    with world.database.read() as session:
        person = subscribers.find_subscriber(session, "ann@new.example")
    assert person is not None
    return issue.id, person.id


def test_words_alone_need_a_second_issue(world: World) -> None:
    for expected in (False, True):
        taken = take(world, report(*sent(world), world.keyring, "550 5.0.0 no such user here"))
        assert (taken.cls, taken.suppressed) == ("hard", expected)
        world.now += timedelta(days=7)
    assert listed(world) == [("hard", "dead address by its words, 2 issues")]


@pytest.mark.parametrize(
    ("words", "action", "slowed"),
    [
        ("554 5.7.1 rejected as spam", "failed", True),
        ("450 4.7.0 too much mail from you", "delayed", True),
        ("450 4.7.1 Greylisted, come back later", "delayed", False),
        ("550 5.1.1 user unknown", "failed", False),
        ("452 4.2.2 mailbox full", "delayed", False),
    ],
)
def test_a_destination_that_refuses_us_behind_the_relay_is_written_to_more_slowly(
    world: World, words: str, action: str, slowed: bool
) -> None:
    take(world, report(*sent(world), world.keyring, words, action=action))
    with world.database.read() as session:
        found = [each.what for each in limits_in_force(session, world.now)]
    assert found == (["domain reader.example"] if slowed else [])


def test_what_comes_back_pauses_a_running_issue(world: World) -> None:
    readers = [world.subscriber(f"reader{number}@reader.example") for number in range(30)]
    world.article("story")
    world.poll()
    issue = world.compose()
    stop = threading.Event()

    def some(envelope: Envelope) -> Outcome:
        if len(sender.got) == 24:
            stop.set()
        return accept(envelope)

    sender = ScriptedSender(answer=some, connections=1)
    world.deliver(sender, stop=stop)
    assert world.issue(issue.id).state is IssueState.RUNNING
    settings = world.settings.model_dump(by_alias=True)
    settings["bounce"] |= {"pause_least": 20, "pause_complaint": 0}
    world.settings = Settings.model_validate(settings)
    with world.database.read() as session:
        left = [one for one in readers if bounces.sent_together(session, issue.id, one)]
    paused = [take(world, report(issue.id, reader, world.keyring, SPAM)).paused for reader in left[:3]]
    assert paused[:2] == [None, None]
    assert paused[2] is not None
    assert "refusals for our own fault" in paused[2]
    assert world.issue(issue.id).state is IssueState.PAUSED
    assert world.issue(issue.id).balanced
