from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select
from world import TEMPLATES, World, courier

from syndicate.core.addresses import hash_address
from syndicate.core.personal import Personal
from syndicate.errors import TemplateError
from syndicate.model import Frequency, IssueState, Keyring, SubscriptionState
from syndicate.pipeline.compose import EditionRenderer, compose, dry_run, preview_digest
from syndicate.store import suppressions
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import CohortRow, DeliveryRow, EditionRow, SubscriptionRow


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    return World(database, courier(), keyring, now)


def cursors(world: World) -> list[int]:
    with world.database.read() as session:
        return list(session.exec(select(SubscriptionRow.cursor).order_by(col(SubscriptionRow.id))))


def test_an_issue_is_frozen_with_its_recipients_and_the_cursors_move(world: World) -> None:
    for name in ("ada", "bo", "cy"):
        world.subscriber(f"{name}@example.org")
    world.subscriber("later@example.org", frequency=Frequency.WEEKLY)
    world.subscriber("not-yet@example.org", state=SubscriptionState.UNCONFIRMED)
    world.article("a")
    world.article("b", age=timedelta(hours=2))
    world.poll()

    issue = world.compose(frequencies=["daily"])

    assert issue.state is IssueState.RUNNING
    assert (issue.recipients, issue.counts.queued, issue.editions) == (3, 3, 1)
    assert issue.balanced
    assert issue.subject == "Morning Courier: Story a"
    assert cursors(world) == [2, 2, 2, 0, 0]


def test_composing_twice_for_one_period_gives_one_issue(world: World) -> None:
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    first = world.compose()
    world.article("b")
    world.poll()
    assert world.compose() == first
    with world.database.read() as session:
        assert len(session.exec(select(DeliveryRow)).all()) == 1


def test_two_processes_at_once_make_one_issue(world: World) -> None:
    for number in range(40):
        world.subscriber(f"reader{number}@example.org")
    world.article("a")
    world.poll()
    found: list[int] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            found.append(world.compose().id)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(found)) == 1
    assert world.issue(found[0]).recipients == 40


def test_nothing_new_is_a_skipped_issue_that_blocks_nothing(world: World) -> None:
    world.subscriber("ada@example.org")
    skipped = world.compose()
    assert (skipped.state, skipped.reason) == (IssueState.SKIPPED, "nothing new for 1 subscription")
    world.article("a")
    world.poll()
    issue = world.compose()
    assert (issue.state, issue.recipients) == (IssueState.RUNNING, 1)


def test_nobody_subscribed_says_so(world: World) -> None:
    world.article("a")
    world.poll()
    assert world.compose().reason == "nobody is subscribed"


def test_min_items_makes_a_digest_wait_and_the_cursor_with_it(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(min_items=2), keyring, now)
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    assert world.compose().reason == "fewer than 2 new articles for 1 subscription"
    assert cursors(world) == [0]
    world.article("b")
    world.poll()
    assert world.compose("daily/2026-11-23").recipients == 1
    with world.database.read() as session:
        assert len(session.exec(select(EditionRow)).one().articles) == 2


def test_editions_differ_by_topic_and_language_and_share_where_equal(world: World) -> None:
    world.article("a", category="port")
    world.article("b", category="sport")
    world.poll()
    world.subscriber("all1@example.org")
    world.subscriber("all2@example.org", topics={"port": 0, "sport": 0})
    world.subscriber("port@example.org", topics={"port": 0})
    world.subscriber("german@example.org", language="de")
    world.subscriber("nothing@example.org", topics={"culture": 0})
    issue = world.compose()
    assert (issue.editions, issue.recipients) == (3, 4)
    with world.database.read() as session:
        editions = session.exec(select(EditionRow).order_by(col(EditionRow.id))).all()
        assert sorted(edition.recipients for edition in editions) == [1, 1, 2]
        assert {edition.language for edition in editions} == {"en", "de"}
        assert sum(cohort.recipients for cohort in session.exec(select(CohortRow))) == 4
    assert cursors(world) == [2, 2, 2, 2, 0]


def test_suppressed_addresses_and_domains_are_on_the_ledger_with_the_reason(world: World) -> None:
    for email in ("gone@example.org", "ada@example.org", "x@blocked.example"):
        world.subscriber(email)
    with world.database.write() as session:
        hashed = hash_address("gone@example.org", world.keyring.hash_key)
        suppressions.add(session, "address", hashed, SuppressionReason.HARD, now=world.now)
        suppressions.add(session, "domain", "blocked.example", SuppressionReason.MANUAL, now=world.now)
    world.article("a")
    world.poll()
    issue = world.compose()
    assert (issue.recipients, issue.counts.queued, issue.counts.suppressed) == (3, 1, 2)
    with world.database.read() as session:
        reasons = session.exec(select(DeliveryRow.reason).where(col(DeliveryRow.state) == "suppressed")).all()
        assert sorted(filter(None, reasons)) == ["hard", "manual"]


def test_overflow_carry_keeps_what_is_left_for_the_next_issue(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(max_items=2, overflow="carry"), keyring, now)
    world.subscriber("ada@example.org")
    for number in range(5):
        world.article(f"a{number}", age=timedelta(hours=number + 1))
    world.poll()
    got = []
    for day in range(4):
        world.compose(f"daily/{day}")
        with world.database.read() as session:
            edition = session.exec(select(EditionRow).order_by(col(EditionRow.id).desc())).first()
            got.append([article["id"] for article in edition.articles] if edition else [])
    assert [len(each) for each in got[:3]] == [2, 2, 1]
    assert got[3] == got[2]  # the fourth was skipped: nothing is left
    flat = [article for each in got[:3] for article in each]
    assert len(flat) == len(set(flat)) == 5


def test_a_back_dated_article_is_neither_lost_nor_repeated(world: World) -> None:
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    world.compose("daily/1")
    world.article("late", age=timedelta(days=40))
    world.poll()
    assert world.compose("daily/2").recipients == 1
    assert world.compose("daily/3").state is IssueState.SKIPPED


def test_a_future_article_waits_without_a_number(world: World) -> None:
    world.subscriber("ada@example.org")
    world.article("tomorrow", age=-timedelta(days=1))
    world.poll()
    assert world.compose("daily/1").state is IssueState.SKIPPED
    world.now += timedelta(days=1, minutes=1)
    assert world.compose("daily/2").recipients == 1


def test_a_first_issue_looks_back_a_week_and_no_further(world: World) -> None:
    world.article("old", age=timedelta(days=30))
    world.article("fresh", age=timedelta(days=3))
    world.poll()
    world.subscriber("ada@example.org")
    world.compose()
    with world.database.read() as session:
        assert len(session.exec(select(EditionRow)).one().articles) == 1


def test_a_withdrawn_article_is_in_no_issue(world: World) -> None:
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    del world.stories.items["a"]
    world.article("b")
    world.poll()
    world.compose()
    with world.database.read() as session:
        assert [each["id"] for each in session.exec(select(EditionRow)).one().articles] == [2]


def test_a_broken_template_writes_nothing(world: World) -> None:
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    renderer = EditionRenderer(
        world.settings.model_copy(
            update={
                "digest": {"morning": world.settings.digest["morning"].model_copy(update={"subject": "{{ nothing }}"})}
            }
        ),
        TEMPLATES,
        world.keyring,
    )
    with pytest.raises(TemplateError, match=r"digest\.morning.*nothing"):
        compose(world.database, renderer, "morning", period="daily/1", frequencies=None, now=world.now)
    assert cursors(world) == [0]
    assert world.compose("daily/1").recipients == 1


def test_a_dry_run_and_a_preview_write_nothing(world: World) -> None:
    world.subscriber("ada@example.org", name="Ada & Co")
    world.article("a")
    world.poll()
    planned = dry_run(world.database, world.renderer, "morning", now=world.now)
    assert (planned.recipients, planned.editions[0].articles) == (1, ["Story a"])
    preview = preview_digest(
        world.database,
        world.renderer,
        Personal.of(world.settings),
        world.keyring,
        "morning",
        email="Ada@Example.org",
        now=world.now,
    )
    assert preview.new
    assert "https://news.courier.example/unsubscribe/" in preview.text
    assert "Story a" in preview.html
    assert cursors(world) == [0]
