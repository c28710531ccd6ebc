"""Control before an issue goes: a draft waits, is edited, approved, cancelled, lapses; nobody loses or gets twice."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from frozen_issue import waiting_jobs
from world import ScriptedSender, World, courier

from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.fate import Fate
from syndicate.core.personal import Personal
from syndicate.errors import TransitionError, UnknownNameError, UsageError
from syndicate.model import Issue, IssueState, Keyring
from syndicate.pipeline import control
from syndicate.pipeline.compose import editing
from syndicate.pipeline.compose.editing import Wish
from syndicate.pipeline.why import why
from syndicate.store import suppressions
from syndicate.store.deliveries import running_issues
from syndicate.store.engine import Database
from syndicate.store.subscribers import find_subscriber, subscription_to
from syndicate.store.suppressions import SuppressionReason

ADA, BO = "ada@example.org", "bo@example.org"
HOUR = timedelta(hours=1)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(approval="hold"), keyring, now)


def url(key: str) -> str:
    return f"https://courier.example/{key}"


def published(world: World, *keys: str) -> None:
    for place, key in enumerate(keys):
        world.article(key, age=HOUR + timedelta(minutes=place))
    world.poll()


def edit(world: World, issue_id: int = 1, **wish: object) -> Issue:
    return editing.edit_issue(world.database, world.renderer, issue_id, Wish(**wish), now=world.now, by="eva")[0]  # type: ignore[arg-type]


def approve(world: World, issue_id: int = 1) -> Issue:
    return editing.approve(world.database, world.renderer, issue_id, now=world.now, by="eva")


def sent(world: World) -> dict[str, str]:
    """The text parts that a pass of delivering sends, by address."""
    sender = ScriptedSender()
    world.deliver(sender)
    texts = {}
    for envelope, message in zip(sender.got, sender.messages(), strict=True):
        assert envelope.recipient not in texts, "twice in one pass"
        part = message.get_body(("plain",))
        assert part is not None
        texts[envelope.recipient] = "\n".join([message["Subject"], *part.get_content().splitlines()])
    return texts


def titles(text: str) -> list[str]:
    """The stories of a text in its order, each once."""
    found = re.findall(r"^(?:- )?Story (\S+)(?: \[\d+\])?$", text.partition("\n")[2], re.MULTILINE)
    return list(dict.fromkeys(found))


def standing(world: World, email: str = ADA) -> tuple[int, bool, int, tuple[int, ...]]:
    with world.database.read() as session:
        reader = find_subscriber(session, parse_address(email).key)
        assert reader is not None
        found = subscription_to(session, reader.id, "morning")
        assert found is not None
    return found.cursor, found.first, found.joined_seq, found.carry


def test_a_draft_waits_and_nothing_of_it_leaves_before_its_approval(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b")
    issue = world.compose()
    assert (issue.state, issue.recipients, issue.counts.queued, issue.balanced) == (IssueState.DRAFT, 1, 1, True)
    assert sent(world) == {}
    with world.database.read() as session:
        assert running_issues(session) == []
    world.now += HOUR
    assert approve(world).state is IssueState.RUNNING
    assert titles(sent(world)[ADA]) == ["a", "b"]
    assert world.issue(1).state is IssueState.FINISHED
    with pytest.raises(TransitionError, match="issue 1 is finished; only a draft can be edited or approved"):
        approve(world)


def test_the_message_bears_the_day_of_its_approval_and_the_articles_of_then(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    world.now += timedelta(days=1)
    world.article("a", title="Story a, put right", age=timedelta(days=1, hours=1))
    world.poll()
    approve(world)
    sender = ScriptedSender()
    world.deliver(sender)
    (message,) = sender.messages()
    assert message["Date"].datetime == world.now
    assert "Story a, put right" in message["Subject"]


def test_articles_that_come_while_a_draft_waits_go_with_the_next_issue_once(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose("daily/1")
    published(world, "b")
    second = world.compose("daily/2")
    assert (second.id, second.state) == (2, IssueState.DRAFT)
    approve(world, 2)
    assert titles(sent(world)[ADA]) == ["b"]
    approve(world, 1)
    assert titles(sent(world)[ADA]) == ["a"]


def test_who_leaves_while_it_waits_gets_nothing_and_who_joins_gets_it_with_their_first_issue(
    world: World, keyring: Keyring
) -> None:
    for email in (ADA, BO, "cy@example.org"):
        world.subscriber(email)
    published(world, "a")
    world.compose("daily/1")
    with world.database.write() as session:
        value = hash_address(parse_address(BO).key, keyring.hash_key)
        suppressions.add(session, "address", value, SuppressionReason.COMPLAINT, now=world.now)
    world.subscriber("di@example.org")
    approve(world)
    assert set(sent(world)) == {ADA, "cy@example.org"}
    counts = world.counts(1)
    assert (counts.accepted, counts.suppressed) == (2, 1)
    issue = world.compose("daily/2")
    assert (issue.state, issue.recipients) == (IssueState.DRAFT, 1)
    approve(world, 2)
    assert set(sent(world)) == {"di@example.org"}


def test_an_editor_pins_drops_orders_and_takes_it_back(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b", "c", "d")
    world.compose()
    edit(world, pin=[url("c")])
    edit(world, drop=[url("a")], subject=" Storm\nedition ")
    edit(world, order=[url("d")], intro="Good **morning**, see [the map](https://courier.example/map).")
    approve(world)
    text = sent(world)[ADA]
    assert titles(text) == ["c", "d", "b"]
    assert text.splitlines()[0] == "Storm edition"
    assert "Good morning" in text
    assert "https://courier.example/map" in text


def test_every_change_is_on_record_and_can_be_undone(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b")
    before = world.compose().subject
    edit(world, drop=[url("a")])
    edit(world, subject="Another")
    assert world.issue(1).subject == "Another"
    issue, edits = editing.undo_edit(world.database, world.renderer, 1, now=world.now, by="eva")
    assert (issue.subject, edits.subject, len(edits.dropped)) == ("Morning Courier: Story b", "", 1)
    issue, edits = editing.undo_edit(world.database, world.renderer, 1, now=world.now)
    assert (issue.subject, edits.any) == (before, False)
    with pytest.raises(UsageError, match="nothing to undo"):
        editing.undo_edit(world.database, world.renderer, 1, now=world.now)
    with world.database.read() as session:
        events = editing.contents(session, 1).events
    assert [(each.event, each.by) for each in events] == [
        ("edited", "eva"),
        ("edited", "eva"),
        ("undone", "eva"),
        ("undone", None),
    ]


def test_restore_and_reset_bring_articles_back(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b", "c")
    world.compose()
    edit(world, drop=[url("a"), url("b")], pin=[url("c")])
    edit(world, restore=[url("a")])
    with world.database.read() as session:
        made = editing.contents(session, 1)
    assert {each.title: (each.pinned, each.dropped) for each in made.articles} == {
        "Story a": (False, False),
        "Story b": (False, True),
        "Story c": (True, False),
    }
    edit(world, reset=True)
    approve(world)
    assert titles(sent(world)[ADA]) == ["a", "b", "c"]


def test_a_wish_that_cannot_be_is_refused_and_changes_nothing(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    with pytest.raises(UnknownNameError, match=r"issue 1 has no article https://courier\.example/zzz"):
        edit(world, pin=[url("zzz")])
    with pytest.raises(UsageError, match="both pinned and dropped"):
        edit(world, pin=[url("a")], drop=[url("a")])
    with pytest.raises(UsageError, match="intro"):
        edit(world, intro="x" * 20_001)
    edit(world, drop=[url("a")])
    with pytest.raises(TransitionError, match="all its articles were dropped or withdrawn"):
        approve(world)
    assert world.issue(1).state is IssueState.DRAFT


def test_an_intro_is_sanitised(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    edit(world, intro='Hello <script>alert(1)</script><a href="javascript:alert(1)" onclick="x()">you</a>')
    made = editing.preview_issue(
        world.database, world.renderer, Personal.of(world.settings), world.keyring, 1, email=ADA, now=world.now
    )
    assert "Hello" in made.html
    assert "script" not in made.html.partition("Hello")[2].partition("Story a")[0]
    assert "onclick" not in made.html


def test_a_reader_of_whose_edition_nothing_is_left_gets_nothing_and_is_told_why(world: World) -> None:
    world.subscriber(ADA)
    world.subscriber(BO, topics={"port": 0})
    world.article("ferry", category="port")
    world.article("choir", category="culture")
    world.poll()
    world.compose()
    edit(world, drop=[url("ferry")])
    approve(world)
    assert set(sent(world)) == {ADA}
    issue = world.issue(1)
    assert (issue.state, issue.counts.accepted, issue.counts.cancelled, issue.balanced) == (
        IssueState.FINISHED,
        1,
        1,
        True,
    )
    for email in (ADA, BO):
        (told,) = why(world.database, world.settings, world.keyring, email, article=url("ferry")).issues
        assert told.article is not None
        assert told.article.fate is Fate.DROPPED
    # Dropped is dropped: the next issue does not bring it.
    assert world.compose("daily/2").state is IssueState.SKIPPED


def test_a_dropped_article_makes_room_for_a_headline(database: Database, keyring: Keyring, now: datetime) -> None:
    world = World(database, courier(approval="hold", max_items=2), keyring, now)
    world.subscriber(ADA)
    published(world, "a", "b", "c")
    world.compose()
    edit(world, drop=[url("a")])
    approve(world)
    with world.database.read() as session:
        made = editing.contents(session, 1)
    assert [each.dropped for each in made.articles] == [True, False, False]
    (told,) = why(world.database, world.settings, world.keyring, ADA, article=url("c")).issues
    assert told.article is not None
    assert told.article.fate is Fate.FULL


def test_a_cancelled_draft_puts_its_readers_where_they_stood(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose("daily/1")
    approve(world)
    sent(world)
    published(world, "b", "c")
    before = standing(world)
    world.compose("daily/2")
    edit(world, 2, drop=[url("b")])
    assert standing(world) != before
    issue = control.cancel(world.database, 2, world.now)
    assert (issue.state, issue.counts.cancelled, issue.balanced) == (IssueState.CANCELLED, 1, True)
    assert standing(world) == before
    world.compose("daily/3")
    approve(world, 3)
    # The drop went with the issue it was made for.
    assert titles(sent(world)[ADA]) == ["b", "c"]


def test_the_articles_of_a_cancelled_draft_are_carried_when_a_later_issue_was_made_meanwhile(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose("daily/1")
    published(world, "b")
    world.compose("daily/2")
    control.cancel(world.database, 1, world.now)
    approve(world, 2)
    assert titles(sent(world)[ADA]) == ["b"]
    published(world, "c")
    world.compose("daily/3")
    approve(world, 3)
    assert sorted(titles(sent(world)[ADA])) == ["a", "c"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_drafts_cancelled_in_any_order_lose_nothing_and_double_nothing(world: World, order: tuple[int, ...]) -> None:
    world.subscriber(ADA)
    for number, key in enumerate("abc", 1):
        published(world, key)
        world.compose(f"daily/{number}")
    for issue_id in order:
        control.cancel(world.database, issue_id, world.now)
    world.compose("daily/4")
    approve(world, 4)
    assert sorted(titles(sent(world)[ADA])) == ["a", "b", "c"]
    assert world.compose("daily/5").state is IssueState.SKIPPED


def test_who_left_and_came_back_gets_a_cancelled_drafts_articles_once(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a")
    world.compose("daily/1")
    control.cancel(world.database, 1, world.now)
    world.compose("daily/2")
    approve(world, 2)
    assert titles(sent(world)[ADA]) == ["a"]
    assert world.compose("daily/3").state is IssueState.SKIPPED


def with_deadline(database: Database, keyring: Keyring, now: datetime, default: str) -> World:
    settings = courier(approval="hold", approval_deadline="4h", approval_default=default)
    world = World(database, settings, keyring, now)
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    return world


def settle(world: World) -> list[Issue]:
    return editing.settle_overdue(world.database, lambda: world.renderer, world.now)


def test_at_its_deadline_a_draft_lapses_and_its_articles_go_with_the_next(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = with_deadline(database, keyring, now, "lapse")
    assert world.issue(1).deadline_at == now + 4 * HOUR
    world.now += 4 * HOUR - timedelta(seconds=1)
    assert settle(world) == []
    world.now += timedelta(days=2)  # the service was down meanwhile
    (issue,) = settle(world)
    assert (issue.state, issue.balanced) == (IssueState.SKIPPED, True)
    assert issue.reason == "lapsed: nobody approved it within 4h; its articles go with the next issue"
    assert settle(world) == []
    (told,) = why(database, world.settings, keyring, ADA).issues
    assert told.because == f"did not get it: {issue.reason}"
    world.compose("daily/2")
    approve(world, 2)
    assert titles(sent(world)[ADA]) == ["a"]
    # The period that lapsed is done: nothing makes it again.
    assert world.compose().id == 1


def test_at_its_deadline_a_draft_goes_if_that_was_said(database: Database, keyring: Keyring, now: datetime) -> None:
    world = with_deadline(database, keyring, now, "send")
    world.now += timedelta(days=1)
    (issue,) = settle(world)
    assert issue.state is IssueState.RUNNING
    assert titles(sent(world)[ADA]) == ["a"]


def test_a_draft_that_cannot_go_at_its_deadline_waits_for_somebody(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = with_deadline(database, keyring, now, "send")
    edit(world, drop=[url("a")])
    world.now += 5 * HOUR
    assert settle(world) == []
    issue = world.issue(1)
    assert issue.state is IssueState.DRAFT
    assert (issue.reason or "").startswith("not sent at its deadline: issue 1: all its articles were dropped")
    assert settle(world) == []
    edit(world, reset=True)
    assert approve(world).reason is None


def test_a_preview_and_a_test_of_a_draft_are_as_edited_and_touch_nothing(world: World) -> None:
    world.subscriber(ADA, name="Ada")
    world.subscriber(BO, topics={"port": 0})
    published(world, "a", "b")
    world.compose()
    edit(world, drop=[url("a")], subject="Only b")
    tools = world.database, world.renderer, Personal.of(world.settings), world.keyring
    made = editing.preview_issue(*tools, 1, email=ADA, now=world.now)
    assert (made.subject, made.articles) == ("Only b", ["Story b"])
    assert b"ada@example.org" in made.message
    with pytest.raises(UnknownNameError, match=r"issue 1 has nothing for bo@example\.org"):
        editing.preview_issue(*tools, 1, email=BO, now=world.now)
    before = standing(world), world.counts(1)
    envelope, subject = editing.test_envelope(*tools, 1, to="editor@courier.example", now=world.now)
    assert (envelope.recipient, subject) == ("editor@courier.example", "[test] Only b")
    assert (standing(world), world.counts(1)) == before
    approve(world)
    assert sent(world)[ADA].startswith("Only b")
    with pytest.raises(TransitionError, match="only a draft"):
        editing.preview_issue(*tools, 1, email=ADA, now=world.now)


def test_a_withdrawn_article_leaves_a_draft_and_comes_back_with_its_return(world: World) -> None:
    world.subscriber(ADA)
    published(world, "a", "b")
    world.compose()
    world.article("a", withdrawn=True)
    world.poll()
    done = editing.take_out_withdrawn(world.database, lambda: world.renderer, world.now)
    assert (done.drafts, done.moved) == (1, 0)
    assert world.issue(1).subject == "Morning Courier: Story b"
    assert editing.take_out_withdrawn(world.database, lambda: world.renderer, world.now).drafts == 0
    (told,) = why(world.database, world.settings, world.keyring, ADA, article=url("a")).issues
    assert told.article is not None
    assert told.article.fate is Fate.TAKEN_OUT
    approve(world)
    assert titles(sent(world)[ADA]) == ["b"]


def test_workers_are_called_by_the_approval_and_not_before(
    postgres_database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(postgres_database, courier(approval="hold"), keyring, now)
    world.subscriber(ADA)
    published(world, "a")
    world.compose()
    with postgres_database.read() as session:
        assert waiting_jobs(session) == []
    approve(world)
    with postgres_database.read() as session:
        assert len(waiting_jobs(session)) == 1
