from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from email.policy import default

import pytest
from sqlmodel import col, select
from world import ScriptedConnection, ScriptedSender, World, accept, courier

from syndicate.core.links import Purpose, verify, verify_from_mail
from syndicate.errors import DiskFullError, RelayError, TransitionError
from syndicate.model import DeliveryState, Envelope, IssueState, Keyring, Outcome, OutcomeKind, SubscriptionState
from syndicate.pipeline import control
from syndicate.store import suppressions
from syndicate.store.deliveries import take
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import DeliveryRow, EditionRow, HolderRow, SubscriberRow, SubscriptionRow
from syndicate.store.waiting import work_waiting


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def issue_for(world: World, people: int, period: str = "daily/1") -> int:
    for number in range(people):
        world.subscriber(f"reader{number}@example.org", name=f"Reader {number}")
    world.article(f"story-{period[-1]}")
    world.poll()
    return world.compose(period).id


def outcome(kind: OutcomeKind, code: int, text: str) -> Outcome:
    return Outcome(kind=kind, code=code, enhanced=text.split(maxsplit=1)[0], text=text, relay="scripted")


def test_everyone_gets_one_message_and_the_issue_is_finished(world: World) -> None:
    issue_id = issue_for(world, 25)
    sender = ScriptedSender()
    result = world.deliver(sender)
    issue = world.issue(issue_id)
    assert result.outcomes == {DeliveryState.ACCEPTED: 25}
    assert (issue.state, issue.counts.accepted, issue.balanced) == (IssueState.FINISHED, 25, True)
    assert sorted(envelope.recipient for envelope in sender.got) == sorted(f"reader{n}@example.org" for n in range(25))
    with world.database.read() as session:
        assert session.exec(select(HolderRow)).all() == []


def test_a_message_carries_every_header_of_the_contract(world: World) -> None:
    issue_for(world, 1)
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    assert message.defects == []
    assert message["To"].addresses[0].addr_spec == "reader0@example.org"
    assert message["From"].addresses[0].addr_spec == "news@courier.example"
    assert message["Message-ID"].endswith("@courier.example>")
    assert message["List-Id"] == "Morning Courier <morning.courier.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["Feedback-ID"]
    assert message["Date"].datetime == world.now
    web, mail = (part.strip("<> ") for part in message["List-Unsubscribe"].split(","))
    payload = verify(world.keyring, Purpose.UNSUBSCRIBE, web.rsplit("/", 1)[1], world.now)
    token = mail.removeprefix("mailto:bounces+").partition("@")[0]
    assert payload.ids == verify_from_mail(world.keyring, Purpose.UNSUBSCRIBE, token, world.now).ids
    assert sender.got[0].sender.startswith("bounces+")
    text, page = message.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert default.linesep not in sender.got[0].data.decode().replace("\r\n", "")


def test_the_message_id_is_fixed_for_a_resend(world: World) -> None:
    issue_id = issue_for(world, 1)
    seen: list[str] = []

    def lost(envelope: Envelope) -> Outcome:
        seen.append(envelope.data.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode())
        return Outcome(kind=OutcomeKind.IN_DOUBT, text="connection lost after the data", relay="scripted")

    world.deliver(ScriptedSender(answer=lost))
    assert world.counts(issue_id).in_doubt == 1
    assert world.issue(issue_id).state is IssueState.FINISHED
    control.resolve(world.database, issue_id, how="resend", now=world.now)
    assert world.issue(issue_id).state is IssueState.RUNNING
    sender = ScriptedSender()
    world.deliver(sender)
    assert [message["Message-ID"] for message in sender.messages()] == seen
    assert world.counts(issue_id).accepted == 1


def test_4xx_is_deferred_and_tried_again_in_its_time(world: World) -> None:
    issue_id = issue_for(world, 5)

    def greylist(envelope: Envelope) -> Outcome:
        if envelope.recipient == "reader3@example.org":
            return outcome(OutcomeKind.DEFERRED, 450, "4.2.0 greylisted")
        return accept(envelope)

    world.deliver(ScriptedSender(answer=greylist))
    assert (world.counts(issue_id).accepted, world.counts(issue_id).deferred) == (4, 1)
    assert world.issue(issue_id).state is IssueState.RUNNING
    early = ScriptedSender()
    world.deliver(early)
    assert early.got == []
    world.now += timedelta(minutes=10)
    sender = ScriptedSender()
    world.deliver(sender)
    assert [envelope.recipient for envelope in sender.got] == ["reader3@example.org"]
    assert world.issue(issue_id).state is IssueState.FINISHED


def test_what_is_deferred_too_long_is_given_up_as_soft(world: World) -> None:
    issue_id = issue_for(world, 1)
    for _ in range(60):
        world.deliver(ScriptedSender(answer=lambda _e: outcome(OutcomeKind.DEFERRED, 452, "4.2.2 full")))
        world.now += timedelta(hours=2)
        if world.issue(issue_id).state is IssueState.FINISHED:
            break
    assert world.counts(issue_id).rejected == 1
    with world.database.read() as session:
        row = session.exec(select(DeliveryRow)).one()
    assert (row.reason, row.reply_code) == ("soft", 452)


def test_5xx_is_a_rejection_with_its_class(world: World) -> None:
    issue_id = issue_for(world, 2)

    def refuse(envelope: Envelope) -> Outcome:
        if envelope.recipient == "reader0@example.org":
            return outcome(OutcomeKind.REJECTED, 550, "5.1.1 no such user")
        return outcome(OutcomeKind.REJECTED, 554, "5.7.1 rejected as spam")

    world.deliver(ScriptedSender(answer=refuse))
    assert world.counts(issue_id).rejected == 2
    with world.database.read() as session:
        assert {row.reason for row in session.exec(select(DeliveryRow))} == {"block", "hard"}


def test_suppression_and_unsubscription_are_read_again_before_each_row_leaves(world: World) -> None:
    issue_id = issue_for(world, 4)
    with world.database.write() as session:
        rows = session.exec(select(SubscriberRow).order_by(col(SubscriberRow.id))).all()
        suppressions.add(session, "address", rows[0].email_hash, SuppressionReason.COMPLAINT, now=world.now)
        left = session.exec(select(SubscriptionRow).where(SubscriptionRow.subscriber_id == rows[1].id)).one()
        left.state = SubscriptionState.UNSUBSCRIBED
        session.add(left)
        session.delete(session.exec(select(SubscriptionRow).where(SubscriptionRow.subscriber_id == rows[2].id)).one())
        session.flush()
        session.delete(rows[2])
    sender = ScriptedSender()
    world.deliver(sender)
    assert [envelope.recipient for envelope in sender.got] == ["reader3@example.org"]
    counts = world.counts(issue_id)
    assert (counts.accepted, counts.suppressed, counts.cancelled) == (1, 2, 1)
    assert world.issue(issue_id).balanced
    with world.database.read() as session:
        reasons = session.exec(select(DeliveryRow.reason).order_by(col(DeliveryRow.id))).all()
    assert reasons == ["complaint", "unsubscribed", "erased", None]


def test_a_domain_above_the_readers_is_suppressed_too(world: World) -> None:
    world.subscriber("x@mail.blocked.example")
    issue_id = issue_for(world, 1)
    with world.database.write() as session:
        suppressions.add(session, "domain", "blocked.example", SuppressionReason.MANUAL, now=world.now)
    world.deliver(ScriptedSender())
    assert (world.counts(issue_id).accepted, world.counts(issue_id).suppressed) == (1, 1)


def test_a_relay_that_does_not_work_costs_no_recipient_an_attempt(world: World) -> None:
    issue_id = issue_for(world, 9)
    result = world.deliver(ScriptedSender(refuse="127.0.0.1:25 refuses connections"))
    assert "refuses connections" in str(result.stopped_by)
    assert world.told == []  # the result says it; told here it would be said twice
    assert world.counts(issue_id).queued == 9
    with world.database.read() as session:
        assert set(session.exec(select(DeliveryRow.attempts))) == {0}
    world.deliver(ScriptedSender())
    assert world.counts(issue_id).accepted == 9


def test_a_full_disk_stops_before_anything_is_taken(world: World) -> None:
    issue_id = issue_for(world, 3)

    def full() -> None:
        raise DiskFullError("only 1 MB is free")

    sender = ScriptedSender()
    result = world.deliver(sender, may_take=full)
    assert isinstance(result.stopped_by, DiskFullError)
    assert sender.got == []
    assert world.counts(issue_id).queued == 3


def test_a_stop_puts_back_what_did_not_leave(world: World) -> None:
    issue_id = issue_for(world, 30)
    stop = threading.Event()

    def last(envelope: Envelope) -> Outcome:
        stop.set()
        return accept(envelope)

    sender = ScriptedSender(answer=last, connections=2)
    world.deliver(sender, stop=stop)
    counts = world.counts(issue_id)
    assert counts.accepted == len(sender.got) <= 2
    assert counts.sending == 0
    assert counts.queued == 30 - counts.accepted


@pytest.mark.parametrize(
    ("policy", "state", "resolved"),
    [("ask", DeliveryState.IN_DOUBT, False), ("skip", DeliveryState.IN_DOUBT, True)],
)
def test_what_a_dead_process_had_marked_is_in_doubt(
    world: World, policy: str, state: DeliveryState, resolved: bool
) -> None:
    issue_id = issue_for(world, 6)
    with world.database.write() as session:
        assert len(take(session, holder="dead", now=world.now, limit=4)) == 4
    sender = ScriptedSender()
    result = world.deliver(sender, in_doubt=policy)
    assert result.taken_over == 4
    assert len(sender.got) == 2
    assert world.counts(issue_id).in_doubt == 4
    with world.database.read() as session:
        rows = session.exec(select(DeliveryRow).where(col(DeliveryRow.state) == state)).all()
    assert [row.resolved for row in rows] == [resolved] * 4
    assert world.issue(issue_id).state is IssueState.FINISHED


def test_the_policy_resend_sends_what_was_in_doubt_again(world: World) -> None:
    issue_id = issue_for(world, 6)
    with world.database.write() as session:
        take(session, holder="dead", now=world.now, limit=4)
    sender = ScriptedSender()
    world.deliver(sender, in_doubt="resend")
    assert len(sender.got) == 6
    assert world.counts(issue_id).accepted == 6


def test_on_postgresql_only_a_holder_that_is_silent_counts_as_dead(world: World) -> None:
    issue_id = issue_for(world, 6)
    with world.database.write() as session:
        register_holder(session, "other", host="there", pid=2, now=world.now)
        take(session, holder="other", now=world.now, limit=4)
    assert world.deliver(ScriptedSender(), alone=False).taken_over == 0
    world.now += timedelta(minutes=1)
    with world.database.write() as session:  # PostgreSQL asks its own clock, which no test moves
        other = session.exec(select(HolderRow).where(HolderRow.holder == "other")).one()
        other.seen_at -= timedelta(minutes=1)
        session.add(other)
    assert world.deliver(ScriptedSender(), alone=False).taken_over == 4
    assert world.counts(issue_id).in_doubt == 4


def test_a_process_that_was_given_up_for_dead_writes_nothing_and_stops(world: World) -> None:
    issue_id = issue_for(world, 6)

    def taken_away(envelope: Envelope) -> Outcome:
        with world.database.write() as session:
            for row in session.exec(select(DeliveryRow).where(col(DeliveryRow.state) == "sending")):
                row.state, row.holder = DeliveryState.IN_DOUBT, "other"
                session.add(row)
        return accept(envelope)

    result = world.deliver(ScriptedSender(answer=taken_away, connections=1))
    assert "taken over" in str(result.stopped_by)
    assert world.counts(issue_id).accepted == 0


def test_pause_resume_and_cancel(world: World) -> None:
    issue_id = issue_for(world, 4)
    control.pause(world.database, issue_id, world.now)
    world.deliver(sender := ScriptedSender())
    assert sender.got == []
    control.resume(world.database, issue_id, world.now)

    def cancelled(envelope: Envelope) -> Outcome:
        if not sender.got:
            control.cancel(world.database, issue_id, world.now)
        return accept(envelope)

    sender.answer, sender.connections = cancelled, 1
    world.deliver(sender)
    issue = world.issue(issue_id)
    assert issue.state is IssueState.CANCELLED
    assert issue.counts.accepted == len(sender.got)
    assert issue.counts.accepted + issue.counts.cancelled == 4


def test_an_unreachable_reader_costs_nobody_else_anything(world: World) -> None:
    world.subscriber("jörg@example.org")
    issue_id = issue_for(world, 2)
    with world.database.write() as session:
        row = session.exec(select(SubscriberRow).where(SubscriberRow.email == "reader0@example.org")).one()
        row.email = "broken address\r\nBcc: all@example.org"
        session.add(row)
    world.deliver(sender := ScriptedSender())
    assert len(sender.got) == 2
    assert world.counts(issue_id).rejected == 1


def test_a_failure_of_the_program_is_raised_and_loses_nothing(world: World) -> None:
    issue_id = issue_for(world, 3)

    def bug(_envelope: Envelope) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.deliver(ScriptedSender(answer=bug, connections=1))
    counts = world.counts(issue_id)
    assert (counts.in_doubt, counts.queued) == (1, 2)  # its data may have left


def test_a_relay_that_allows_one_connection_delivers_all_the_same(world: World) -> None:
    issue_id = issue_for(world, 20)

    class Narrow(ScriptedSender):
        def connect(self) -> ScriptedConnection:
            self.opened += 1
            if self.opened > 1:
                raise RelayError("421 too many connections")
            return ScriptedConnection(self)

    result = world.deliver(Narrow(connections=4))
    assert result.stopped_by is None
    assert world.counts(issue_id).accepted == 20


def test_a_failed_pass_does_not_set_the_callers_stop(world: World) -> None:
    issue_for(world, 3)
    stop = threading.Event()

    def full() -> None:
        raise DiskFullError("only 1 MB is free")

    assert world.deliver(ScriptedSender(), stop=stop, may_take=full).stopped_by is not None
    assert not stop.is_set()
    sender = ScriptedSender()
    world.deliver(sender, stop=stop)
    assert len(sender.got) == 3


def test_an_issue_whose_recipients_are_all_suppressed_is_finished(world: World) -> None:
    with world.database.write() as session:
        suppressions.add(session, "domain", "example.org", SuppressionReason.MANUAL, now=world.now)
    issue_id = issue_for(world, 2)
    with world.database.read() as session:
        assert work_waiting(session, world.now)
    world.deliver(ScriptedSender())
    assert world.issue(issue_id).state is IssueState.FINISHED
    with world.database.read() as session:
        assert not work_waiting(session, world.now)


def test_what_only_a_dead_process_holds_is_work(world: World) -> None:
    issue_for(world, 3)
    with world.database.write() as session:
        assert len(take(session, holder="dead", now=world.now, limit=10)) == 3
    with world.database.read() as session:
        assert work_waiting(session, world.now)
    assert world.deliver(ScriptedSender(), alone=False).taken_over == 3


def test_what_this_process_still_knew_is_kept_when_others_took_rows_over(world: World) -> None:
    issue_id = issue_for(world, 4)
    taken = threading.Event()

    def one_taken_away(envelope: Envelope) -> Outcome:
        if not taken.is_set():
            taken.set()
            with world.database.write() as session:
                row = session.exec(select(DeliveryRow).where(col(DeliveryRow.state) == "sending").limit(1)).one()
                row.state, row.holder = DeliveryState.IN_DOUBT, "other"
                session.add(row)
        return accept(envelope)

    sender = ScriptedSender(answer=one_taken_away, connections=1)
    result = world.deliver(sender)
    assert "1 deliveries were taken over" in str(result.stopped_by)
    counts, sent = world.counts(issue_id), len(sender.got)
    assert sent > 1
    assert (counts.accepted, counts.in_doubt, counts.queued) == (sent - 1, 1, 4 - sent)


def test_the_wire_goes_on_with_what_it_has_while_another_process_writes_to_the_database(world: World) -> None:
    """The thread that leads the connections never waits for the lock: the ledger's own does."""
    issue_id = issue_for(world, 30)
    held, free = threading.Event(), threading.Event()
    sent_all_it_had: list[bool] = []

    def write_meanwhile() -> None:
        with world.database.write():
            held.set()
            sent_all_it_had.append(free.wait(10))

    other = threading.Thread(target=write_meanwhile)

    def answer(envelope: Envelope) -> Outcome:
        if len(sender.got) == 1:
            other.start()
            held.wait(10)
        elif len(sender.got) == 3:  # this is the fourth, and one connection may have four marked
            free.set()
        return accept(envelope)

    sender = ScriptedSender(answer=answer, connections=1)
    world.deliver(sender)
    other.join()
    assert sent_all_it_had == [True]
    assert (len(sender.got), world.counts(issue_id).accepted) == (30, 30)


def test_retries_count_from_the_first_attempt_not_from_the_issue(world: World) -> None:
    issue_id = issue_for(world, 1)
    control.pause(world.database, issue_id, world.now)
    world.now += timedelta(days=3)
    control.resume(world.database, issue_id, world.now)
    world.deliver(ScriptedSender(answer=lambda _e: outcome(OutcomeKind.DEFERRED, 450, "4.2.0 greylisted")))
    assert world.counts(issue_id).deferred == 1


def test_a_cancelled_issue_and_one_without_bodies_are_not_resent(world: World) -> None:
    issue_id = issue_for(world, 3)
    with world.database.write() as session:
        take(session, holder="dead", now=world.now, limit=1)
    world.deliver(ScriptedSender(answer=lambda _e: outcome(OutcomeKind.IN_DOUBT, 0, "lost")))
    with world.database.write() as session:
        for edition in session.exec(select(EditionRow)):
            edition.message = None
            session.add(edition)
    with pytest.raises(TransitionError, match="not kept any more"):
        control.resolve(world.database, issue_id, how="resend", now=world.now)
    assert control.resolve(world.database, issue_id, how="skip", now=world.now)[1] == 3
    other = issue_for(world, 0, "daily/2")
    control.cancel(world.database, other, world.now)
    with pytest.raises(TransitionError, match="is cancelled"):
        control.resolve(world.database, other, how="resend", now=world.now)


def test_an_erased_readers_address_does_not_come_back_with_a_reply(world: World) -> None:
    issue_for(world, 1)

    def erased(envelope: Envelope) -> Outcome:
        with world.database.write() as session:
            session.delete(session.exec(select(SubscriptionRow)).one())
            session.flush()
            session.delete(session.exec(select(SubscriberRow)).one())
        return outcome(OutcomeKind.REJECTED, 550, f"5.1.1 <{envelope.recipient}> unknown")

    world.deliver(ScriptedSender(answer=erased))
    with world.database.read() as session:
        row = session.exec(select(DeliveryRow)).one()
    assert (row.state, row.reply) == ("rejected", None)


def test_a_stop_releases_at_once_what_waits_behind_a_slow_server(world: World) -> None:
    issue_id = issue_for(world, 12)
    stop, slow = threading.Event(), threading.Event()

    def crawl(envelope: Envelope) -> Outcome:
        stop.set()
        slow.wait(120)
        return accept(envelope)

    def release_later() -> None:
        for _ in range(2000):
            if world.counts(issue_id).sending == 1:
                break
            time.sleep(0.05)
        released.append(world.counts(issue_id).sending)
        slow.set()

    released: list[int] = []
    watcher = threading.Thread(target=release_later)
    watcher.start()
    world.deliver(ScriptedSender(answer=crawl, connections=1, takes_turns=False), stop=stop)
    watcher.join()
    assert released == [1]
    assert (world.counts(issue_id).accepted, world.counts(issue_id).queued) == (1, 11)
