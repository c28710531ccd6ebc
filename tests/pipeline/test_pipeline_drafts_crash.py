"""Killed at any statement, a verb that controls an issue has happened or has not; done again, it happens once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from opening import opened
from sqlalchemy import event, select
from sqlmodel import SQLModel
from world import ScriptedSender, World, courier

from syndicate.model import IssueState, Keyring
from syndicate.pipeline import control
from syndicate.pipeline.compose import editing
from syndicate.pipeline.compose.editing import Wish
from syndicate.store.engine import Database

URL = "https://courier.example/"


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def killed_at(database: Database, number: int) -> Iterator[None]:
    """End everything at the statement of this number."""
    count = 0

    def look(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise Killed

    event.listen(database.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", look)


def everything(database: Database) -> dict[str, list[Any]]:
    with database.read() as session:
        return {
            table.name: [tuple(row) for row in session.connection().execute(select(table).order_by(*table.primary_key))]
            for table in SQLModel.metadata.sorted_tables
        }


def prepared(database: Database, keyring: Keyring, now: datetime, **digest: Any) -> World:
    world = World(database, courier(approval="hold", **digest), keyring, now)
    for number in range(3):
        world.subscriber(f"reader{number}@example.org")
    world.subscriber("port@example.org", topics={"port": 0})
    world.article("a", category="port")
    world.article("b")
    world.poll()
    world.compose()
    return world


def edit(world: World) -> None:
    editing.edit_issue(world.database, world.renderer, 1, Wish(drop=[f"{URL}a"], subject="Other"), now=world.now)


def approve(world: World) -> None:
    editing.approve(world.database, world.renderer, 1, now=world.now)


def cancel(world: World) -> None:
    control.cancel(world.database, 1, world.now)


def lapse(world: World) -> None:
    assert editing.settle_overdue(world.database, lambda: world.renderer, world.now + timedelta(hours=5))


@pytest.mark.parametrize("verb", [edit, approve, cancel, lapse])
def test_a_verb_has_happened_or_has_not(
    database: Database, keyring: Keyring, now: datetime, verb: Callable[[World], None]
) -> None:
    world = prepared(database, keyring, now, approval_deadline="4h")
    before = everything(database)
    for number in range(1, 200):
        try:
            with killed_at(database, number):
                verb(world)
        except Killed:
            assert everything(database) == before
        else:
            break
    assert number > 5
    issue = world.issue(1)
    assert issue.balanced
    assert everything(database) != before
    if issue.state in {IssueState.CANCELLED, IssueState.SKIPPED}:
        again = world.compose("daily/again")
        editing.approve(database, world.renderer, again.id, now=world.now)
    elif issue.state is IssueState.DRAFT:
        approve(world)
    sender = ScriptedSender()
    world.deliver(sender)
    left = 3 if verb is edit else 4
    assert len({each.recipient for each in sender.got}) == len(sender.got) == left


def test_taking_out_goes_on_where_it_was_killed(database: Database, keyring: Keyring, now: datetime) -> None:
    world = prepared(database, keyring, now)
    approve(world)
    world.article("a", category="port", withdrawn=True)
    world.poll()
    for number in range(1, 300):
        try:
            with killed_at(database, number):
                editing.take_out_withdrawn(database, lambda: world.renderer, world.now)
        except Killed:
            assert world.issue(1).balanced
        else:
            break
    issue = world.issue(1)
    assert (issue.counts.queued, issue.counts.cancelled, issue.balanced) == (3, 1, True)
    sender = ScriptedSender()
    world.deliver(sender)
    assert len(sender.got) == 3
    assert not any(b"Story a" in each.data for each in sender.got)


class Holding(RuleBasedStateMachine):
    """Articles, drafts and readers in any order: each article reaches each reader once, if its issue goes in the end."""

    keyring: Keyring
    url: Callable[[], str]

    @initialize(overflow=st.sampled_from(["headlines", "carry"]), most=st.integers(1, 3))
    def begin(self, overflow: str, most: int) -> None:
        self._opened = opened(self.url())
        database = self._opened.__enter__()
        now = datetime.fromisoformat("2026-11-22T08:00:00+00:00")
        self.world = World(database, courier(approval="hold", overflow=overflow, max_items=most), self.keyring, now)
        self.world.subscriber("ada@example.org")
        self.world.subscriber("bo@example.org")
        self.number = 0
        self.drafts: list[int] = []
        self.dropped: set[str] = set()
        self.published: list[str] = []
        self.got: dict[str, list[str]] = {"ada@example.org": [], "bo@example.org": []}

    @rule(counts=st.lists(st.integers(0, 3), min_size=1, max_size=3))
    def days(self, counts: list[int]) -> None:
        """Days on which so many articles come, each with its draft."""
        for count in counts:
            for _ in range(count):
                self.number += 1
                key = f"k{self.number:03}"
                self.published.append(key)
                self.world.article(key)
            self.world.poll()
            self.compose()

    def compose(self) -> None:
        self.number += 1
        self.world.now += timedelta(minutes=5)
        issue = self.world.compose(f"daily/{self.number}")
        if issue.state is IssueState.DRAFT:
            self.drafts.append(issue.id)

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        self._go(data.draw(st.sampled_from(self.drafts)))

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        issue_id = data.draw(st.sampled_from(self.drafts))
        control.cancel(self.world.database, issue_id, self.world.now)
        self.drafts.remove(issue_id)

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        issue_id = data.draw(st.sampled_from(self.drafts))
        world = self.world
        with world.database.read() as session:
            urls = [each.url for each in editing.contents(session, issue_id).articles if each.url]
        pinned = data.draw(st.lists(st.sampled_from(urls), max_size=2, unique=True))
        editing.edit_issue(world.database, world.renderer, issue_id, Wish(pin=pinned), now=world.now)

    @invariant()
    def balanced(self) -> None:
        assert all(self.world.issue(each).balanced for each in getattr(self, "drafts", ()))
        assert all(len(keys) == len(set(keys)) for keys in getattr(self, "got", {}).values())

    def _go(self, issue_id: int) -> None:
        world = self.world
        editing.approve(world.database, world.renderer, issue_id, now=world.now)
        self.drafts.remove(issue_id)
        sender = ScriptedSender()
        world.deliver(sender)
        for envelope in sender.got:
            data = envelope.data.replace(b"=\r\n", b"").decode()
            self.got[envelope.recipient] += [key for key in self.published if f"Story {key}" in data]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            for issue_id in list(self.drafts):
                self._go(issue_id)
            for _ in range(len(self.published) + 2):  # what is carried, piece by piece
                self.compose()
                for issue_id in list(self.drafts):
                    self._go(issue_id)
            for email, keys in self.got.items():
                assert sorted(keys) == self.published, email
        finally:
            self._opened.__exit__(None, None, None)


def test_no_article_is_lost_or_doubled_whatever_becomes_of_drafts(
    sqlite_template: Any, keyring: Keyring, tmp_path: Any
) -> None:
    import shutil
    from itertools import count

    numbers = count()

    def fresh() -> str:
        path = tmp_path / f"machine-{next(numbers)}.db"
        shutil.copyfile(sqlite_template, path)
        return f"sqlite:///{path}"

    machine = type("HoldingHere", (Holding,), {"keyring": keyring, "url": staticmethod(fresh)})
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
