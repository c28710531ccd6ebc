"""A withdrawn article leaves what is queued, beside a running sender; what was attempted keeps its bytes."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select
from sqlmodel import col
from world import ScriptedSender, World, accept, courier

from syndicate.core.fate import Fate
from syndicate.model import Envelope, IssueState, Keyring, Outcome, OutcomeKind
from syndicate.pipeline import control
from syndicate.pipeline.compose import editing
from syndicate.pipeline.compose.editing import TakenOut, Watch
from syndicate.pipeline.why import why
from syndicate.store.deliveries import edition_message, release, take
from syndicate.store.engine import Database
from syndicate.store.public_issues import editions_mark, public_issues
from syndicate.store.tables import ArticleRow, DeliveryRow, EditionRow, SubscriberRow
from syndicate.store.web_archive import shown_message

ADA = "ada@example.org"


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def composed(world: World, *keys: str, readers: int = 1) -> None:
    for number in range(readers):
        world.subscriber(ADA if number == 0 else f"reader{number}@example.org")
    for key in keys:
        world.article(key)
    world.poll()
    world.compose()


def withdraw(world: World, key: str) -> None:
    world.article(key, withdrawn=True)
    world.poll()


def look(world: World, watch: Watch | None = None) -> TakenOut:
    return editing.take_out_withdrawn(world.database, lambda: world.renderer, world.now, watch)


def whole(data: bytes) -> str:
    message = message_from_bytes(data, policy=policy.default)
    return "\n".join(str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text")


def editions(world: World) -> list[EditionRow]:
    with world.database.read() as session:
        return list(session.execute(select(EditionRow).order_by(col(EditionRow.id))).scalars())


def test_queued_rows_get_an_edition_without_it_and_the_old_one_is_kept(world: World) -> None:
    composed(world, "a", "b", readers=3)
    withdraw(world, "a")
    assert look(world) == TakenOut(moved=3)
    assert look(world) == TakenOut()
    old, new = editions(world)
    assert (old.current, old.replaced_by, old.recipients, new.current, new.recipients) == (False, new.id, 0, True, 3)
    assert b"Story a" in (old.message or b"")
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 3
    assert all("Story b" in whole(each.data) and "Story a" not in whole(each.data) for each in sender.got)
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.balanced) == (IssueState.FINISHED, 3, True)
    (told,) = why(world.database, world.settings, world.keyring, ADA, article="https://courier.example/a").issues
    assert told.article is not None
    assert told.article.fate is Fate.TAKEN_OUT


def test_what_was_attempted_keeps_the_bytes_of_its_message_id(world: World) -> None:
    composed(world, "a", "b", readers=3)
    tried: dict[str, bytes] = {}

    def answer(envelope: Envelope) -> Outcome:
        tried.setdefault(envelope.recipient, envelope.data)
        if envelope.recipient == ADA:
            return Outcome(kind=OutcomeKind.DEFERRED, code=450, text="4.2.0 later", relay="scripted")
        return Outcome(kind=OutcomeKind.IN_DOUBT, text="no answer", relay="scripted")

    world.deliver(ScriptedSender(answer=answer))
    withdraw(world, "a")
    assert look(world).moved == 0
    control.resolve(world.database, 1, how="resend", now=world.now)
    assert look(world).moved == 0  # queued again, and its message may be there
    world.now += timedelta(hours=1)
    sender = ScriptedSender()
    world.deliver(sender)
    assert {each.recipient: each.data for each in sender.got} == tried
    # Whoever looks at the archive sees what nobody was sent: the edition without it.
    with world.database.read() as session:
        shown = shown_message(session, ["morning"], 1, "en")
        (issue,) = public_issues(session, [1])
        assert editions_mark(session, [1]) > 0
        # The address in the mails that were tried leads to what took its place.
        assert shown_message(session, ["morning"], 1, "en", edition_id=1) == shown
    assert shown is not None
    assert b"Story a" not in shown
    assert issue.message == shown


def test_nothing_left_cancels_the_deliveries_with_the_reason(world: World) -> None:
    composed(world, "a", readers=2)
    withdraw(world, "a")
    assert look(world) == TakenOut(cancelled=2)
    issue = world.issue(1)
    assert (issue.state, issue.counts.cancelled, issue.balanced) == (IssueState.FINISHED, 2, True)
    (told,) = why(world.database, world.settings, world.keyring, ADA, article="https://courier.example/a").issues
    assert told.because == "did not get it: all its articles were withdrawn before it was sent"
    with world.database.read() as session:
        assert shown_message(session, ["morning"], 1, "en") is None


def test_readers_whose_edition_becomes_anothers_share_it(world: World) -> None:
    world.subscriber(ADA)
    world.subscriber("bo@example.org", topics={"port": 0})
    world.article("ferry", category="port")
    world.article("choir", category="culture")
    world.poll()
    world.compose()
    withdraw(world, "choir")
    assert look(world).moved == 1
    assert sorted((each.current, each.recipients) for each in editions(world)) == [(False, 0), (True, 2)]


def test_an_article_that_returns_and_goes_again_is_followed(world: World) -> None:
    composed(world, "a", "b", "c")
    withdraw(world, "a")
    assert look(world).moved == 1
    world.article("a")
    world.poll()
    assert look(world).moved == 0  # what is queued stays as it is
    withdraw(world, "b")
    assert look(world).moved == 1
    withdraw(world, "a")
    assert look(world).moved == 1
    sender = ScriptedSender()
    world.deliver(sender)
    assert "Story c" in whole(sender.got[0].data)
    assert not {"Story a", "Story b"} & set(whole(sender.got[0].data).split("\n"))


def test_a_row_that_is_on_the_wire_keeps_its_edition_and_one_put_back_moves(world: World) -> None:
    composed(world, "a", "b", readers=2)
    with world.database.write() as session:
        tasks = take(session, holder="me", now=world.now, limit=1)
    withdraw(world, "a")
    watch = Watch()
    assert look(world, watch).moved == 1
    with world.database.read() as session:
        held = session.execute(select(col(DeliveryRow.edition_id)).where(col(DeliveryRow.state) == "sending"))
        assert held.scalar_one() == tasks[0].edition_id
    assert look(world, watch).moved == 0
    with world.database.write() as session:
        assert release(session, [tasks[0].id], holder="me") == 1
    assert look(world, watch).moved == 1


def test_a_watch_looks_again_when_something_changed_and_not_before(world: World) -> None:
    composed(world, "a", "b")
    watch = Watch()
    look(world, watch)
    assert watch.quiet_at is not None
    withdraw(world, "a")
    assert look(world, watch).moved == 1


def test_a_broken_template_is_told_and_stops_no_other_issue(world: World) -> None:
    from syndicate.pipeline.compose import EditionRenderer

    composed(world, "a", "b")
    withdraw(world, "a")
    broken = EditionRenderer(
        world.settings.model_copy(
            update={"digest": {"morning": world.settings.digest["morning"].model_copy(update={"template": "gone"})}}
        ),
        {},
        world.keyring,
    )
    done = editing.take_out_withdrawn(world.database, lambda: broken, world.now)
    assert len(done.failures) == 1
    assert "a withdrawn article is still in what is queued" in done.failures[0]
    assert look(world).moved == 1


def test_beside_a_running_sender_no_delivery_is_lost_and_none_is_half_changed(world: World) -> None:
    readers = 120
    composed(world, "a", "b", "c", readers=readers)
    with world.database.read() as session:
        first = edition_message(session, 1)
    started, withdrawn = threading.Event(), threading.Event()
    done: list[TakenOut] = []

    def take_out() -> None:
        assert started.wait(30)
        for key in ("a", "b"):
            withdraw(world, key)
            done.append(look(world))
            withdrawn.set()

    lock = threading.Lock()
    count = 0

    def answer(envelope: Envelope) -> Outcome:
        nonlocal count
        with lock:
            count += 1
            now = count
        if now == 20:
            started.set()
        if now >= 40:
            assert withdrawn.wait(30), "nothing was withdrawn while it was sending"
        return accept(envelope)

    other = threading.Thread(target=take_out)
    other.start()
    sender = ScriptedSender(answer=answer, connections=4, takes_turns=False)
    world.deliver(sender)
    other.join(60)
    look(world)
    world.deliver(sender)
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.balanced) == (IssueState.FINISHED, readers, True)
    assert len({each.recipient for each in sender.got}) == len(sender.got) == readers
    assert [each.failures for each in done] == [(), ()]
    shown = {tuple(key for key in "abc" if f"Story {key}" in whole(each.data)) for each in sender.got}
    assert shown <= {("a", "b", "c"), ("b", "c"), ("c",)}
    assert ("a", "b", "c") in shown
    assert len(shown) > 1, "nothing was moved while it was sending"
    assert sum(each.moved for each in done) > 0
    # Each reader's edition on the ledger is the one that they were sent.
    with world.database.read() as session:
        assert edition_message(session, 1) == first
        rows = session.execute(
            select(col(DeliveryRow.edition_id), col(EditionRow.articles)).join(
                EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id)
            )
        ).all()
    on_ledger = sorted(len(articles) for _, articles in rows)
    arrived = sorted(sum(f"Story {key}" in whole(each.data) for key in "abc") for each in sender.got)
    assert on_ledger == arrived


def next_issue(world: World, number: int) -> dict[str, list[str]]:
    """What the next issue has for each reader."""
    issue = world.compose(f"daily/{number}")
    with world.database.read() as session:
        rows = session.execute(
            select(col(SubscriberRow.email), col(EditionRow.articles))
            .join(DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id))
            .join(EditionRow, col(EditionRow.id) == col(DeliveryRow.edition_id))
            .where(col(DeliveryRow.issue_id) == issue.id)
        ).all()
        titles = {each.id: each.title for each in session.execute(select(ArticleRow)).scalars()}
    return {email: [titles[each["id"]] for each in articles] for email, articles in rows}


@pytest.mark.parametrize("others", [["b"], []])
def test_an_article_that_comes_back_goes_to_those_whose_rows_lost_it(world: World, others: list[str]) -> None:
    composed(world, "a", *others, readers=3)
    sender = ScriptedSender()
    stop = threading.Event()

    def one(envelope: Envelope) -> Outcome:
        stop.set()
        return accept(envelope)

    sender.answer, sender.connections = one, 1
    world.deliver(sender, stop=stop)
    got = {each.recipient for each in sender.got}
    assert 0 < len(got) < 3
    withdraw(world, "a")
    look(world)
    assert world.compose("daily/2").state is IssueState.SKIPPED
    world.article("a")
    world.article("c")
    world.poll()
    found = next_issue(world, 3)
    assert len(found) == 3
    for email, titles in found.items():
        assert titles == (["Story c"] if email in got else ["Story a", "Story c"])
    world.article("d")
    world.poll()
    assert set(map(tuple, next_issue(world, 4).values())) == {("Story d",)}


def test_what_left_a_draft_comes_with_the_next_issue_once_it_is_back(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(approval="hold"), keyring, now)
    composed(world, "a", "b")
    withdraw(world, "a")
    assert look(world) == TakenOut(drafts=1)
    editing.approve(world.database, world.renderer, 1, now=world.now)
    world.article("a")
    world.article("c")
    world.poll()
    assert next_issue(world, 2) == {ADA: ["Story a", "Story c"]}
