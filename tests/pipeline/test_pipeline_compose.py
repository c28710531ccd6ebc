from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import Session, col, select
from world import TEMPLATES, World, courier

from syndicate.core.addresses import hash_address
from syndicate.core.consent import Event, moved
from syndicate.core.personal import Personal
from syndicate.errors import LedgerError, StoreBusyError, StoreError, TemplateError
from syndicate.model import Frequency, IssueState, Keyring, SubscriptionState
from syndicate.pipeline.compose import EditionRenderer, compose, dry_run, preview_digest
from syndicate.pipeline.compose.editions import FinishedEdition
from syndicate.pipeline.compose.planning import PlannedEdition
from syndicate.pipeline.members.import_chunk import ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.store import subscribers, suppressions
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
    assert cursors(world) == [2, 2, 2, 2, 2]  # for the last there was nothing


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


def articles_of(world: World, issue_id: int) -> list[int]:
    """Of an issue with one edition: the ids of its articles, newest first."""
    with world.database.read() as session:
        edition = session.exec(select(EditionRow).where(col(EditionRow.issue_id) == issue_id)).one()
        return [article["id"] for article in edition.articles]


def test_the_first_issue_of_a_monthly_reader_holds_the_whole_month(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(max_items=100), keyring, now)
    world.article("archive", age=timedelta(days=30))
    world.article("yesterday", age=timedelta(days=1))
    world.poll()
    world.subscriber("ada@example.org", frequency=Frequency.MONTHLY)
    for number in range(28):
        world.now += timedelta(days=1)
        world.article(f"day-{number}")
        world.poll()
    issue = world.compose("monthly/2026-12", ["monthly"])
    # The archive and what is older than lookback by now are left out; nothing that came after the sign-up is.
    assert sorted(articles_of(world, issue.id)) == list(range(3, 31))


def test_a_digest_that_waits_for_more_items_than_a_week_has_comes_at_last(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(min_items=3), keyring, now)
    world.poll()  # the first reading would count as the archive
    world.subscriber("ada@example.org")
    for number in range(3):
        world.article(f"a{number}")
        world.poll()
        issue = world.compose(f"daily/{number}")
        world.now += timedelta(days=4)
    assert issue.recipients == 1
    assert sorted(articles_of(world, issue.id)) == [1, 2, 3]


@pytest.mark.parametrize("way", ["single opt-in", "confirmed later", "import", "back after leaving"])
def test_every_way_to_join_notes_the_last_number_of_that_moment(world: World, way: str) -> None:
    world.article("before", age=timedelta(days=30))
    world.poll()
    state = SubscriptionState.UNCONFIRMED if way == "confirmed later" else SubscriptionState.CONFIRMED
    if way == "import":
        import_subscribers(
            database=world.database,
            settings=world.settings,
            keyring=world.keyring,
            lines=[b"email\n", b"ada@example.org\n"],
            rules=ImportRules(confirmed=True),
            now=world.now,
            report=lambda _line, problem: pytest.fail(problem),
        )
    else:
        world.subscriber("ada@example.org", state=state)
    world.article("between", age=timedelta(days=30))
    world.poll()
    if way in {"confirmed later", "back after leaving"}:
        with world.database.write() as session:
            before = subscribers.subscription_by_id(session, 1)
            assert before is not None
            if way == "back after leaving":
                left = moved(before, Event.UNSUBSCRIBE, world.now)
                assert subscribers.move_subscription(session, before, left)
                before = left
            joins = Event.CONFIRM if way == "confirmed later" else Event.OPERATOR_CONFIRMED
            assert subscribers.move_subscription(session, before, moved(before, joins, world.now + timedelta(hours=1)))
    with world.database.read() as session:
        joined = session.exec(select(SubscriptionRow.joined_seq)).one()
    assert joined == (1 if way in {"single opt-in", "import"} else 2)


def test_a_reader_for_whom_nothing_was_there_is_passed_over(world: World) -> None:
    world.subscriber("quiet@example.org", topics={"culture": 0})
    world.article("a", category="port")
    world.poll()
    # Not without a row that says that there was a run, and then in the same transaction.
    assert world.compose("daily/1").state is IssueState.SKIPPED
    assert cursors(world) == [1]
    world.subscriber("port@example.org", topics={"port": 0})
    world.article("b", category="port")
    world.poll()
    issue = world.compose("daily/2")
    assert (issue.recipients, cursors(world)) == (1, [2, 2])
    world.article("c", category="culture")
    world.poll()
    assert world.compose("daily/2") == issue  # a period that was composed changes nothing
    assert cursors(world) == [2, 2]
    assert world.compose("daily/3").recipients == 1


def test_a_run_without_an_issue_row_passes_over_too(world: World) -> None:
    world.subscriber("quiet@example.org", topics={"culture": 0}, frequency=Frequency.INSTANT)
    world.subscriber("daily@example.org", topics={"culture": 0})
    world.article("a", category="port")
    world.poll()
    run = {"period": "instant/1", "frequencies": ["instant"], "now": world.now, "keep_empty": False}
    assert compose(world.database, world.renderer, "morning", **run) is None  # type: ignore[arg-type]
    assert cursors(world) == [1, 0]  # only those whose run it was


def test_passing_over_leaves_alone_who_waits_and_what_is_carried(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(min_items=2, max_items=2, overflow="carry"), keyring, now)
    world.subscriber("waits@example.org", topics={"sport": 0})
    world.subscriber("carries@example.org", topics={"port": 0})
    world.subscriber("quiet@example.org", topics={"culture": 0})
    for number in range(3):
        world.article(f"p{number}", category="port", age=timedelta(hours=3 - number))
    world.poll()
    world.compose("daily/1")
    assert cursors(world) == [3, 3, 3]
    del world.stories.items["p0"]  # the carried one is away for a day
    world.article("s0", category="sport")
    world.poll()
    assert world.compose("daily/2").state is IssueState.SKIPPED
    assert cursors(world) == [3, 4, 4]
    with world.database.read() as session:
        carried = session.exec(select(SubscriptionRow.carry).order_by(col(SubscriptionRow.id))).all()
    assert carried == [[], [1], []]


def test_only_what_was_chosen_is_read_whole(world: World) -> None:
    world.subscriber("culture@example.org", topics={"culture": 0})
    for number in range(30):
        world.article(f"p{number}", category="port")
    world.article("c", category="culture")
    world.poll()
    read: list[Any] = []

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "articles.html" in statement:
            read.append(list(parameters.values()) if isinstance(parameters, dict) else list(parameters))

    event.listen(world.database.engine, "after_cursor_execute", watch)
    world.compose()
    assert read == [[31], [31]]  # for the plan and, in the transaction, again


def test_a_subscription_that_the_join_would_lose_stops_the_issue(world: World) -> None:
    world.subscriber("ada@example.org")
    world.subscriber("odd@example.org", topics={"port": 0})
    with world.database.write() as session:
        # Not as canonical_json writes it: with a space.
        session.connection().execute(text("UPDATE subscriptions SET topics = '{\"port\": 0}' WHERE id = 2"))
    world.article("a", category="port")
    world.poll()
    with pytest.raises(LedgerError, match=r"2 candidates but 1 queued \+ 0 suppressed and 1 cursors moved"):
        world.compose()
    assert cursors(world) == [0, 0]
    with world.database.read() as session:
        assert session.exec(select(DeliveryRow)).all() == []


def test_two_texts_of_one_choice_stop_the_issue(world: World) -> None:
    world.subscriber("ada@example.org")
    world.subscriber("odd@example.org")
    with world.database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET topics = '{\"*\": 0}' WHERE id = 2"))
    world.article("a")
    world.poll()
    with pytest.raises(LedgerError, match="breaks a rule of the ledger"):
        world.compose()
    assert cursors(world) == [0, 0]


def test_readers_who_change_things_do_not_keep_an_issue_from_being_frozen(
    postgres_database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(postgres_database, courier(), keyring, now)
    for number in range(20):
        world.subscriber(f"reader{number}@example.org")
    world.article("a")
    world.poll()
    changed: list[bool] = []

    def somebody_changes(session: Session) -> None:
        session.execute(select(SubscriptionRow.id)).all()  # from here on it sees one state
        try:
            with postgres_database.write() as other:
                other.execute(text("SET LOCAL lock_timeout = '100ms'"))
                other.execute(text("UPDATE subscribers SET name = 'Ada' WHERE id = 3"))
                other.execute(text("UPDATE subscriptions SET frequency = 'weekly' WHERE id = 3"))
            changed.append(True)
        except StoreError:
            changed.append(False)

    issue = world.compose(with_it=somebody_changes)
    assert changed == [True, False]
    assert issue.recipients == 20


def test_nothing_is_rendered_while_others_wait_for_the_write_lock(
    sqlite_database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(sqlite_database, courier(), keyring, now)
    world.subscriber("ada@example.org")
    world.article("a")
    world.poll()
    free: list[bool] = []

    class Watching(EditionRenderer):
        def render(
            self,
            digest_name: str,
            edition: PlannedEdition,
            *,
            period: str,
            now: datetime,
            local_day: date | None = None,
        ) -> FinishedEdition:
            if not self.has(digest_name, edition, period=period):
                try:
                    with Database(str(sqlite_database.engine.url), busy_timeout=timedelta(0)).write():
                        free.append(True)
                except StoreBusyError:
                    free.append(False)
                if len(free) <= again:  # just then another article comes
                    world.article(f"meanwhile-{len(free)}")
                    world.poll()
            return super().render(digest_name, edition, period=period, now=now, local_day=local_day)

    again = 2
    renderer = Watching(world.settings, TEMPLATES, keyring)
    issue = compose(sqlite_database, renderer, "morning", period="daily/1", frequencies=None, now=world.now)
    assert issue is not None
    assert free == [True, True, True]
    assert sorted(articles_of(world, issue.id)) == [1, 2, 3]


def test_the_archive_of_a_new_source_is_no_news_for_who_joined_before_it(world: World) -> None:
    world.subscriber("ada@example.org")
    for number in range(20):
        world.article(f"old{number}", age=timedelta(days=30 + number))
    world.article("fresh", age=timedelta(days=2))
    world.poll()
    world.compose()
    with world.database.read() as session:
        assert len(session.exec(select(EditionRow)).one().articles) == 1
