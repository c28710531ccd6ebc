"""One mail for several digests of one reader, from the freeze to the outcome. Decision 30."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from smtp_faults import Close, FaultServer, say
from sqlmodel import col, select
from world import TEMPLATES, ScriptedSender, Stories, World, courier

from syndicate.config import Settings
from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.links import Purpose, sign_for_mail, sign_joint, verify_unsubscribe
from syndicate.core.personal import Personal
from syndicate.io.smtp import SmtpSender
from syndicate.model import (
    DeliveryState,
    Envelope,
    Frequency,
    Issue,
    IssueState,
    Keyring,
    Outcome,
    OutcomeKind,
    SubscriptionState,
)
from syndicate.pipeline import control
from syndicate.pipeline.compose import EditionRenderer, preview_digest
from syndicate.pipeline.compose.composing import Wanted, compose_together
from syndicate.pipeline.compose.due import compose_due
from syndicate.pipeline.compose.editing.withdrawing import take_out_withdrawn
from syndicate.pipeline.members.preferences import show_all
from syndicate.pipeline.members.unsubscribing import undo, unsubscribe, unsubscribe_address
from syndicate.pipeline.replay import replay
from syndicate.pipeline.returns import Fate, Taken, take_return
from syndicate.pipeline.why import why
from syndicate.store import bounces, newcomers, subscribers, suppressions
from syndicate.store.attempts import attempts_of
from syndicate.store.deliveries import take
from syndicate.store.due import FOLLOWS
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.joint_mails import joined_issues
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import DeliveryRow, JointEditionRow, SubscriberRow
from syndicate.store.waiting import next_due


def joined(**digests: dict[str, Any]) -> Settings:
    """The Courier with digests that join their mails: ``morning`` has all articles, ``sport`` those of sport."""
    settings = courier().model_dump(by_alias=True)
    base = {"frequencies": ["instant", "daily"], "default_frequency": "daily", "merge": "subscriber"}
    settings["digest"] = {
        "morning": {**base, "title": "Morning Courier", **digests.get("morning", {})},
        "sport": {**base, "title": "Sport Courier", "categories": ["sport"], **digests.get("sport", {})},
    } | {name: {**base, **more} for name, more in digests.items() if name not in {"morning", "sport"}}
    return Settings.model_validate(settings)


class Joined(World):
    """A world whose readers may have several digests."""

    def reader(self, email: str, *digests: str, language: str | None = None) -> int:
        address = parse_address(email)
        with self.database.write() as session:
            person, _ = newcomers.ensure_subscriber(
                session,
                address,
                hash_address(address.key, self.keyring.hash_key),
                now=self.now,
                name="Ann",
                language=language,
            )
            for digest in digests:
                newcomers.add_subscription(
                    session,
                    person.id,
                    digest,
                    state=SubscriptionState.CONFIRMED,
                    frequency=Frequency.DAILY,
                    topics={"*": 0},
                    now=self.now,
                )
        return person.id

    def together(self, *digests: str, period: str = "daily/1") -> list[Issue]:
        found = compose_together(
            self.database,
            EditionRenderer(self.settings, TEMPLATES, self.keyring),
            [Wanted(digest=name, period=period, frequencies=None) for name in digests or ("morning", "sport")],
            now=self.now,
        )
        assert None not in found
        return [issue for issue in found if issue is not None]

    def rows(self) -> list[DeliveryRow]:
        with self.database.read() as session:
            return list(session.exec(select(DeliveryRow).order_by(col(DeliveryRow.id))))

    def balanced(self) -> bool:
        return all(self.issue(row.issue_id).balanced for row in self.rows())


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> Joined:
    world = Joined(database, joined(), keyring, now, Stories())
    world.article("storm", title="The storm", age=timedelta(minutes=30))
    world.article("regatta", title="The regatta", category="sport")
    world.poll()
    return world


def outcome(kind: OutcomeKind, code: int | None, text: str) -> Outcome:
    return Outcome(kind=kind, code=code, enhanced=None, text=text, relay="scripted")


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_who_has_both_gets_one_mail_and_a_row_of_each_issue(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.reader("morning@example.org", "morning")
    world.reader("sport@example.org", "sport")
    issues = world.together()
    sender = ScriptedSender()
    result = world.deliver(sender)
    assert sorted(each.recipient for each in sender.got) == [
        "both@example.org",
        "morning@example.org",
        "sport@example.org",
    ]
    assert result.outcomes == {DeliveryState.ACCEPTED: 4}
    for issue in issues:
        found = world.issue(issue.id)
        assert (found.state, found.counts.accepted, found.balanced) == (IssueState.FINISHED, 2, True)
        assert found.started_at is not None
    rows = [row for row in world.rows() if row.joined_to is not None]
    assert len(rows) == 2
    assert {row.joined_to for row in rows} == {rows[0].id}
    assert {(row.state, row.reply_code, row.attempts, row.finished_at) for row in rows} == {
        ("accepted", 250, 1, world.now)
    }
    with world.database.read() as session:
        edition = session.exec(select(JointEditionRow)).one()
    assert (edition.parts, edition.recipients) == (f"{rows[0].edition_id}+{rows[1].edition_id}", 1)


def test_the_mail_has_a_part_for_each_digest_and_each_article_once(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.together()
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    text = text_of(message)
    assert text.count("The regatta") == 1
    assert text.index("Morning Courier\n") < text.index("The regatta") < text.index("Sport Courier\n=")
    assert "All that is new here stands above." in text
    assert "Unsubscribe from “Morning Courier”" in text
    assert "end all of them" in " ".join(text.split())
    assert message["Subject"] == "Morning Courier and Sport Courier: The storm"
    assert message["List-Id"] == "The Harbour Courier <digests.courier.example>"
    page = message.get_body(("html",))
    assert page is not None
    html = page.get_content()
    assert html.count(">The regatta</a>") == 1
    assert html.count("Unsubscribe from “") == 2


def test_the_button_of_the_mail_program_ends_both_and_the_links_of_the_parts_one_each(world: Joined) -> None:
    person = world.reader("both@example.org", "morning", "sport")
    world.together()
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    web, mail = (part.strip("<> ") for part in message["List-Unsubscribe"].split(","))
    with world.database.read() as session:
        own = {each.digest: each.id for each in subscribers.subscriptions_of(session, [person])[person]}
    both = (own["morning"], own["sport"])
    assert verify_unsubscribe(world.keyring, web.rsplit("/", 1)[1], world.now) == both
    assert verify_unsubscribe(world.keyring, mail.rpartition("%20")[2], world.now) == both
    text = text_of(message)
    links = [line.rsplit("/", 1)[1] for line in text.splitlines() if "/unsubscribe/" in line]
    assert [verify_unsubscribe(world.keyring, token, world.now) for token in links] == [both[:1], both[1:], both]


def test_three_digests_make_one_mail_and_two_of_them_another(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = Joined(database, joined(port={"title": "Port Courier"}), keyring, now, Stories())
    world.article("storm")
    world.article("regatta", category="sport")
    world.poll()
    world.reader("all@example.org", "morning", "sport", "port")
    world.reader("two@example.org", "port", "sport")
    world.reader("german@example.org", "morning", "port", language="de")
    issues = world.together("morning", "sport", "port")
    sender = ScriptedSender()
    world.deliver(sender)
    subjects = {each["To"].addresses[0].addr_spec: each["Subject"].partition(":")[0] for each in sender.messages()}
    assert subjects == {
        "all@example.org": "Morning Courier, Sport Courier, and Port Courier",
        "two@example.org": "Sport Courier and Port Courier",
        "german@example.org": "Morning Courier und Port Courier",
    }
    assert [world.counts(issue.id).accepted for issue in issues] == [2, 2, 3]
    assert world.balanced()


def test_4xx_defers_both_and_they_are_tried_again_as_one(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    world.deliver(ScriptedSender(answer=lambda _e: outcome(OutcomeKind.DEFERRED, 451, "4.2.0 greylisted")))
    assert [world.counts(issue.id).deferred for issue in issues] == [1, 1]
    first, second = world.rows()
    assert (first.attempts, second.attempts, second.due_at) == (1, 1, FOLLOWS)
    early = ScriptedSender()
    world.deliver(early)
    assert early.got == []
    world.now += timedelta(minutes=10)
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 1
    assert [world.issue(issue.id).state for issue in issues] == [IssueState.FINISHED] * 2
    with world.database.read() as session:
        histories = attempts_of(session, [first.id or 0, second.id or 0])
    assert [[each.event for each in history] for history in histories.values()] == [["deferred"]] * 2


def test_5xx_rejects_both_and_a_retry_of_one_issue_sends_both_again(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    world.deliver(ScriptedSender(answer=lambda _e: outcome(OutcomeKind.REJECTED, 554, "5.7.1 looks like spam")))
    assert [world.counts(issue.id).rejected for issue in issues] == [1, 1]
    control.retry(world.database, issues[1].id, only=None, now=world.now)
    assert [world.issue(issue.id).state for issue in issues] == [IssueState.RUNNING] * 2
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 1
    assert [world.counts(issue.id).accepted for issue in issues] == [1, 1]
    assert world.balanced()


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("how", ["resend", "skip"])
def test_a_lost_answer_leaves_both_in_doubt_and_one_decision_holds_for_both(
    world: Joined, asked: int, how: Any
) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    seen: list[str] = []

    def lost(envelope: Envelope) -> Outcome:
        seen.append(envelope.data.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode())
        return outcome(OutcomeKind.IN_DOUBT, None, "connection lost after the data")

    world.deliver(ScriptedSender(answer=lost))
    assert [world.counts(issue.id).in_doubt for issue in issues] == [1, 1]
    control.resolve(world.database, issues[asked].id, how=how, now=world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    if how == "skip":
        assert sender.got == []
        assert [row.resolved for row in world.rows()] == [True, True]
        return
    assert [message["Message-ID"] for message in sender.messages()] == seen
    assert [world.counts(issue.id).accepted for issue in issues] == [1, 1]
    assert [world.issue(issue.id).state for issue in issues] == [IssueState.FINISHED] * 2


@pytest.mark.parametrize("policy", ["ask", "resend"])
def test_a_crash_between_mark_and_outcome_puts_both_in_doubt(world: Joined, policy: Any) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    with world.database.write() as session:
        register_holder(session, "dead", host="there", pid=2, now=world.now - timedelta(hours=1))
    with world.database.write() as session:
        (task,) = take(session, holder="dead", now=world.now, limit=5)
    assert task.rows == tuple(row.id for row in world.rows())
    assert [world.counts(issue.id).sending for issue in issues] == [1, 1]
    sender = ScriptedSender()
    result = world.deliver(sender, in_doubt=policy)
    assert result.taken_over == 2
    if policy == "ask":
        assert (len(sender.got), [world.counts(issue.id).in_doubt for issue in issues]) == (0, [1, 1])
    else:
        assert (len(sender.got), [world.counts(issue.id).accepted for issue in issues]) == (1, [1, 1])
    assert world.balanced()


def test_what_did_not_begin_to_leave_is_put_back_as_one(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    world.deliver(ScriptedSender(refuse="127.0.0.1:25 refuses connections"))
    assert [world.counts(issue.id).queued for issue in issues] == [1, 1]
    assert [row.attempts for row in world.rows()] == [0, 0]
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 1


@pytest.mark.parametrize(("left", "kept"), [("morning", "Sport Courier"), ("sport", "Morning Courier")])
def test_who_leaves_one_digest_before_the_mail_goes_gets_the_other_alone(world: Joined, left: str, kept: str) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = {issue.digest: issue.id for issue in world.together()}
    unsubscribe_address(world.database, "both@example.org", digests=[left], now=world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    assert message["Subject"].startswith(f"{kept}: ")
    assert message["List-Id"].startswith(kept)
    assert world.counts(issues.pop(left)).suppressed == 1
    (other,) = issues.values()
    assert world.counts(other).accepted == 1
    assert world.balanced()
    assert [row.joined_to for row in world.rows()] == [None, None]


def test_an_address_that_may_not_be_written_to_gets_neither(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    with world.database.write() as session:
        row = session.exec(select(SubscriberRow)).one()
        suppressions.add(session, "address", row.email_hash, SuppressionReason.COMPLAINT, now=world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    assert sender.got == []
    assert [world.counts(issue.id).suppressed for issue in issues] == [1, 1]
    assert [world.issue(issue.id).state for issue in issues] == [IssueState.FINISHED] * 2


@pytest.mark.parametrize("which", [0, 1])
def test_cancelling_one_issue_lets_the_other_go_alone(world: Joined, which: int) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    control.cancel(world.database, issues[which].id, world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    assert message["Subject"].startswith(["Sport Courier: ", "Morning Courier: "][which])
    assert world.counts(issues[which].id).cancelled == 1
    assert world.counts(issues[1 - which].id).accepted == 1
    assert world.balanced()


@pytest.mark.parametrize("which", [0, 1])
def test_pausing_one_issue_holds_back_nothing_of_the_other(world: Joined, which: int) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    control.pause(world.database, issues[which].id, world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    assert [world.counts(issue.id).accepted for issue in issues] == [which, 1 - which]
    control.resume(world.database, issues[which].id, world.now)
    world.deliver(sender)
    assert [message["Subject"].partition(":")[0] for message in sender.messages()] == (
        ["Sport Courier", "Morning Courier"] if which == 0 else ["Morning Courier", "Sport Courier"]
    )
    assert [world.issue(issue.id).state for issue in issues] == [IssueState.FINISHED] * 2


def test_only_what_leads_is_due_and_an_issue_of_followers_waits_for_it(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    first, second = world.together()
    with world.database.read() as session:
        assert (next_due(session, first.id), next_due(session, second.id)) == (world.now, None)
    with world.database.write() as session:
        register_holder(session, "me", host="here", pid=1, now=world.now)
        assert take(session, holder="me", now=world.now, limit=5, issues=[second.id]) == []


def test_a_follower_that_became_due_by_itself_is_put_behind_the_one_that_leads(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    _, second = world.together()
    with world.database.write() as session:
        row = session.exec(select(DeliveryRow).where(DeliveryRow.issue_id == second.id)).one()
        row.due_at = world.now
        session.add(row)
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 1
    assert world.balanced()


def test_two_workers_never_share_a_mail(world: Joined) -> None:
    for number in range(8):
        world.reader(f"both{number}@example.org", "morning", "sport")
    world.together()
    got: set[int] = set()
    for holder in ("one", "two"):
        with world.database.write() as session:
            register_holder(session, holder, host="here", pid=1, now=world.now)
            tasks = take(session, holder=holder, now=world.now, limit=4)
            rows = {row for task in tasks for row in task.rows}
            assert (len(tasks), len(rows)) == (4, 8)
            assert not rows & got
            got |= rows
    assert len(got) == 16


def test_a_withdrawn_article_parts_what_was_rendered_with_it(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.together()
    del world.stories.items["regatta"]
    world.article("match", title="The match", category="sport")
    world.poll()
    take_out_withdrawn(world.database, lambda: world.renderer, world.now)
    sender = ScriptedSender()
    world.deliver(sender)
    assert all("regatta" not in text_of(message) for message in sender.messages())
    assert [message["Subject"] for message in sender.messages()] == ["Morning Courier: The storm"]
    assert world.balanced()
    assert {row.state for row in world.rows()} == {"accepted", "cancelled"}


def test_everyone_of_many_gets_everything_once_whatever_they_have(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = Joined(database, joined(port={"title": "Port Courier"}), keyring, now, Stories())
    for number in range(6):
        world.article(f"story{number}", category="sport" if number % 2 else "news")
    world.poll()
    names = ("morning", "sport", "port")
    expected = {}
    for number in range(1, 8):
        own = [name for bit, name in enumerate(names) if number >> bit & 1]
        expected[f"r{number}@example.org"] = own
        world.reader(f"r{number}@example.org", *own, language="fr" if number == 5 else None)
    issues = {issue.digest: issue.id for issue in world.together(*names)}
    sender = ScriptedSender()
    world.deliver(sender)
    assert sorted(each.recipient for each in sender.got) == sorted(expected)
    for name in names:
        own_rows = sum(name in digests for digests in expected.values())
        assert world.counts(issues[name]).accepted == own_rows
    for message in sender.messages():
        to = message["To"].addresses[0].addr_spec
        text = text_of(message)
        wanted = range(6) if set(expected[to]) & {"morning", "port"} else (1, 3, 5)
        assert [text.count(f"Story story{number} [") for number in range(6)] == [
            number in wanted for number in range(6)
        ]


def test_why_and_replay_tell_of_the_mail_that_a_delivery_shared(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    first, second = world.together()
    sender = ScriptedSender()
    waiting = why(world.database, world.settings, world.keyring, "both@example.org").issues[0].delivery
    assert waiting is not None
    assert waiting.due_at == world.now
    world.deliver(sender)
    told = {
        each.issue.digest: each
        for each in why(world.database, world.settings, world.keyring, "both@example.org").issues
    }
    assert [(each.issue_id, each.digest) for each in told["morning"].same_mail] == [(second.id, "sport")]
    assert [(each.issue_id, each.digest) for each in told["sport"].same_mail] == [(first.id, "morning")]
    with world.database.read() as session:
        assert joined_issues(session, first.id) == [(second.id, "sport", 1)]
    for issue in (first, second):
        shown = replay(world.database, Personal.of(world.settings), world.keyring, issue.id, "both@example.org")
        assert (shown.message, list(shown.doubts)) == (sender.got[0].data, [])
    masked = replay(world.database, Personal.of(world.settings), world.keyring, first.id, "both@example.org", mask=True)
    assert b"/unsubscribe/" not in masked.message
    assert b"/preferences/" not in masked.message


def test_the_page_behind_the_button_ends_both_and_takes_back_what_it_ended(world: Joined) -> None:
    person = world.reader("both@example.org", "morning", "sport")
    with world.database.read() as session:
        ids = [each.id for each in subscribers.subscriptions_of(session, [person])[person]]
    token = sign_joint(world.keyring, ids)
    assert len(show_all(world.database, world.keyring, token, now=world.now)) == 2
    assert [each.changed for each in unsubscribe(world.database, world.keyring, token, now=world.now)] == [True, True]
    assert [each.changed for each in unsubscribe(world.database, world.keyring, token, now=world.now)] == [False, False]
    restored = undo(world.database, world.keyring, token, now=world.now + timedelta(hours=1))
    assert {each.state for each in restored} == {SubscriptionState.CONFIRMED}


def test_undo_brings_back_nothing_that_was_left_before(world: Joined) -> None:
    person = world.reader("both@example.org", "morning", "sport")
    unsubscribe_address(world.database, "both@example.org", digests=["sport"], now=world.now, via="page")
    with world.database.read() as session:
        ids = [each.id for each in subscribers.subscriptions_of(session, [person])[person]]
    token = sign_joint(world.keyring, ids)
    world.now += timedelta(hours=1)
    unsubscribe(world.database, world.keyring, token, now=world.now)
    restored = {each.digest: each.state for each in undo(world.database, world.keyring, token, now=world.now)}
    assert restored == {"morning": SubscriptionState.CONFIRMED, "sport": SubscriptionState.UNSUBSCRIBED}


def test_the_clock_joins_what_is_due_together_and_a_broken_digest_stops_no_other(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    compose_due(world.database, world.settings, lambda: world.renderer, world.now)  # enters the schedules
    world.now += timedelta(days=1)
    world.article("ferry", category="sport", age=timedelta(minutes=1))
    world.poll()
    found = compose_due(world.database, world.settings, lambda: world.renderer, world.now)
    assert sorted(issue.digest for issue in found.issues) == ["morning", "sport"]
    assert {row.joined_to for row in world.rows()} == {world.rows()[0].id}
    again = compose_due(world.database, world.settings, lambda: world.renderer, world.now)
    assert again.issues == []

    world.deliver(ScriptedSender())
    world.now += timedelta(days=1)
    world.article("tide", category="sport", age=timedelta(minutes=1))
    world.poll()
    settings = joined(sport={"subject": "{{ nothing.there }}"})
    found = compose_due(
        world.database, settings, lambda: EditionRenderer(settings, TEMPLATES, world.keyring), world.now
    )
    assert [issue.digest for issue in found.issues] == ["morning"]
    assert list(found.failures) == ["sport"]
    alone = [row for row in world.rows() if row.state == "queued"]
    assert [row.joined_to for row in alone] == [None]


def test_a_preview_for_a_reader_shows_the_mail_that_joins(world: Joined) -> None:
    world.reader("both@example.org", "morning", "sport")
    world.reader("one@example.org", "morning")
    tools = world.database, world.renderer, Personal.of(world.settings), world.keyring
    made = preview_digest(*tools, "sport", email="both@example.org", now=world.now)
    assert list(made.digests) == ["morning", "sport"]
    assert made.subject == "Morning Courier and Sport Courier: The storm"
    assert sorted(made.articles) == ["The regatta", "The storm"]
    assert "end all of them" in " ".join(made.text.split())
    assert preview_digest(*tools, "morning", email="one@example.org", now=world.now).digests == ()
    world.settings = joined(sport={"send_at": "18:00"})
    tools = world.database, world.renderer, Personal.of(world.settings), world.keyring
    assert preview_digest(*tools, "sport", email="both@example.org", now=world.now).digests == ()


def relay(server: FaultServer) -> SmtpSender:
    return SmtpSender([server.relay(max_conns=3)], "mail.courier.example")


def test_a_real_server_sees_one_message_for_two_rows(world: Joined) -> None:
    for number in range(10):
        world.reader(f"both{number}@example.org", "morning", "sport")
    world.reader("one@example.org", "sport")
    issues = world.together()
    with FaultServer() as server:
        result = world.deliver(relay(server))
    assert result.outcomes == {DeliveryState.ACCEPTED: 21}
    ids = [message.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] for message in server.seen.messages]
    assert (len(ids), len(set(ids))) == (11, 11)
    assert [world.counts(issue.id).accepted for issue in issues] == [10, 11]
    assert world.balanced()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (say("451 4.2.0 greylisted"), "deferred"),
        (say("554 5.7.1 looks like spam"), "rejected"),
        (Close(), "in_doubt"),
    ],
)
def test_what_a_real_server_answers_after_the_data_holds_for_both(world: Joined, answer: Any, state: str) -> None:
    world.reader("both@example.org", "morning", "sport")
    issues = world.together()
    with FaultServer({"message": [answer]}) as server:
        world.deliver(relay(server))
    assert [world.counts(issue.id).as_dict()[state] for issue in issues] == [1, 1]
    assert world.balanced()
    if state == "in_doubt":
        control.resolve(world.database, issues[1].id, how="resend", now=world.now)
    elif state == "rejected":
        control.retry(world.database, issues[0].id, only=None, now=world.now)
    world.now += timedelta(minutes=10)
    with FaultServer() as server:
        world.deliver(relay(server))
    assert len(server.seen.messages) == 1
    assert [world.counts(issue.id).accepted for issue in issues] == [1, 1]


def test_a_joint_mail_that_comes_back_counts_for_all_its_issues_and_once(world: Joined) -> None:
    reader = world.reader("ann@reader.example", "morning", "sport")
    first, second = world.together()
    world.deliver(ScriptedSender())
    changed = world.settings.model_dump(by_alias=True)
    changed["bounce"] |= {"hard_count": 2}
    settings = Settings.model_validate(changed)

    def came_back(leader: Issue) -> Taken:
        token = sign_for_mail(world.keyring, Purpose.BOUNCE, leader.id, reader)
        data = (
            f"To: bounces+{token}@courier.example\nContent-Type: multipart/report; boundary=b\n\n"
            "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@reader.example\n"
            "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n\n--b--\n"
        )
        return take_return(world.database, settings, world.keyring, data.encode(), now=world.now)

    taken = came_back(first)
    assert (taken.fate, taken.suppressed) == (Fate.APPLIED, False)  # one mail came back, not two
    with world.database.read() as session:
        assert [bounces.bounce_counts(session, issue.id) for issue in (first, second)] == [{"hard": 1}, {"hard": 1}]
    assert came_back(first).fate is Fate.KNOWN
    world.now += timedelta(days=1)
    world.article("ferry", category="sport")
    world.poll()
    later, _ = world.together(period="daily/2")
    world.deliver(ScriptedSender())
    assert came_back(later).suppressed
