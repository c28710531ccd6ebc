"""Whatever happens to the ledger, in whatever order: it balances, and what was accepted stays so and is not sent again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event, select
from sqlmodel import Session, col

from syndicate.core.addresses import hash_address, parse_address
from syndicate.core.outcomes import BounceClass
from syndicate.errors import TransitionError
from syndicate.model import DeliveryState, Frequency, IssueState, Outcome, OutcomeKind, SubscriptionState
from syndicate.store import attempts, deliveries, doubts, freeze, newcomers, retries, subscribers, suppressions
from syndicate.store.cohorts import cohorts
from syndicate.store.deliveries import Result, Task
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder
from syndicate.store.issues import OPEN_STATES, change_state, finish_issues, list_issues, unbalanced
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.tables import AttemptRow, DeliveryRow

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
HASH_KEY = b"h" * 32
HOLDERS = ("one", "two")

OUTCOMES = st.sampled_from(
    [
        (DeliveryState.ACCEPTED, OutcomeKind.ACCEPTED, 250, None),
        (DeliveryState.DEFERRED, OutcomeKind.DEFERRED, 450, None),
        (DeliveryState.DEFERRED, OutcomeKind.IN_DOUBT, None, None),
        (DeliveryState.REJECTED, OutcomeKind.REJECTED, 550, BounceClass.HARD),
        (DeliveryState.REJECTED, OutcomeKind.REJECTED, 554, BounceClass.BLOCK),
        (DeliveryState.REJECTED, OutcomeKind.DEFERRED, 452, BounceClass.SOFT),
        (DeliveryState.IN_DOUBT, OutcomeKind.IN_DOUBT, None, None),
    ]
)


class Ledger(RuleBasedStateMachine):
    """Operators, processes, servers and readers, one step at a time."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="ledger-")
        file = Path(self.folder.name) / "ledger.db"
        shutil.copyfile(self.template, file)
        self.database = Database(f"sqlite:///{file}")
        # Nothing here has to survive a power cut, and each step is a commit.
        event.listen(self.database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous = OFF"))
        self.now = START
        self.people: list[int] = []
        self.held: dict[str, list[Task]] = {holder: [] for holder in HOLDERS}
        self.accepted: set[int] = set()
        self.issues = 0
        self.registered = 0

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @initialize(count=st.integers(1, 8))
    def readers(self, count: int) -> None:
        with self.database.write() as session:
            for number in range(count):
                address = parse_address(f"reader{number}@example.org")
                person, _ = newcomers.ensure_subscriber(
                    session, address, hash_address(address.key, HASH_KEY), now=self.now
                )
                newcomers.add_subscription(
                    session,
                    person.id,
                    "morning",
                    state=SubscriptionState.CONFIRMED,
                    frequency=Frequency.DAILY,
                    topics={"*": 0},
                    now=self.now,
                )
                self.people.append(person.id)
        self.frozen()

    @precondition(lambda self: self.issues < 3)
    @rule()
    def frozen(self) -> None:
        with self.database.write() as session:
            groups = cohorts(session, "morning", None)
            if not groups:
                return
            self.issues += 1
            edition = freeze.FrozenEdition(
                key="e", language="en", subject="s", articles=[], message=b"m", cohorts=[(each, ()) for each in groups]
            )
            freeze.freeze(
                session,
                digest="morning",
                period=f"daily/{self.issues}",
                frequencies=None,
                subject="s",
                max_seq=self.issues,
                editions=[edition],
                now=self.now,
            )

    @rule(holder=st.sampled_from(HOLDERS), limit=st.integers(1, 5), outcomes=st.lists(OUTCOMES, max_size=5))
    def taken(self, holder: str, limit: int, outcomes: Sequence[Any]) -> None:
        """Some are answered at once, the others later, or never."""
        with self.database.write() as session:
            tasks = deliveries.take(session, holder=holder, now=self.now, limit=limit)
        assert self.accepted.isdisjoint(task.id for task in tasks)
        # What was taken over and taken again is the new one: a process that finds out that it was given up stops.
        again = {task.id for task in tasks}
        self.held[holder] = tasks + [task for task in self.held[holder] if task.id not in again]
        self.record(holder, outcomes[: len(tasks)])

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), outcomes=st.lists(OUTCOMES, min_size=1, max_size=5))
    def recorded(self, data: st.DataObject, outcomes: Sequence[Any]) -> None:
        self.record(data.draw(st.sampled_from([name for name, tasks in self.held.items() if tasks])), outcomes)

    def record(self, holder: str, outcomes: Sequence[Any]) -> None:
        pairs = list(zip(self.held[holder], outcomes, strict=False))
        self.held[holder] = self.held[holder][len(pairs) :]
        results = [
            Result(
                task,
                state,
                Outcome(kind=kind, code=code, text=f"{code}", relay="mx"),
                bounce_class,
                self.now + timedelta(minutes=5) if state is DeliveryState.DEFERRED else None,
            )
            for task, (state, kind, code, bounce_class) in pairs
        ]
        with self.database.write() as session:
            before = self.rows(session)
            kept = deliveries.record(session, results, holder=holder, now=self.now)
            attempts.note(session, results, self.now)
            own = [r for r in results if before[r.task.id] == (DeliveryState.SENDING, holder)]
        assert kept == len(own)
        self.accepted |= {result.task.id for result in own if result.state is DeliveryState.ACCEPTED}

    @rule(holder=st.sampled_from(HOLDERS))
    def released(self, holder: str) -> None:
        with self.database.write() as session:
            deliveries.release(session, [task.id for task in self.held[holder]], holder=holder)
        self.held[holder] = []

    @rule(policy=st.sampled_from(("ask", "resend", "skip")))
    def taken_over(self, policy: Any) -> None:
        """All processes are dead, or believed to be: what they hold here they may still try to record."""
        self.registered += 1
        with self.database.write() as session:
            register_holder(session, f"me-{self.registered}", host="here", pid=1, now=self.now)
            doubts.take_over(session, me=f"me-{self.registered}", alone=True, policy=policy, now=self.now)

    @rule(data=st.data(), to=st.sampled_from(("pause", "resume", "resume", "cancel")))
    def controlled(self, data: st.DataObject, to: str) -> None:
        expected, state = {
            "pause": ([IssueState.RUNNING], IssueState.PAUSED),
            "resume": ([IssueState.PAUSED], IssueState.RUNNING),
            "cancel": ([IssueState.RUNNING, IssueState.PAUSED], IssueState.CANCELLED),
        }[to]
        number = data.draw(st.integers(1, self.issues))
        try:
            with self.database.write() as session:
                change_state(session, number, expected=expected, to=state, now=self.now)
                if to == "cancel":
                    deliveries.cancel_open(session, number, self.now)
        except TransitionError:
            pass

    @rule(data=st.data(), how=st.sampled_from(("resend", "skip")))
    def resolved(self, data: st.DataObject, how: Any) -> None:
        number = data.draw(st.integers(1, self.issues))
        self.decide(lambda session: doubts.resolve(session, number, how=how, now=self.now))

    @rule(data=st.data(), only=st.sampled_from((None, BounceClass.SOFT, BounceClass.BLOCK)))
    def retried(self, data: st.DataObject, only: BounceClass | None) -> None:
        number = data.draw(st.integers(1, self.issues))
        self.decide(lambda session: retries.retry(session, number, only=only, now=self.now))

    def decide(self, decision: Any) -> None:
        try:
            with self.database.write() as session:
                decision(session)
        except TransitionError:
            pass

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def erased(self, data: st.DataObject) -> None:
        person = self.people.pop(data.draw(st.integers(0, len(self.people) - 1)))
        with self.database.write() as session:
            subscribers.erase_subscriber(session, person)

    @rule(number=st.integers(0, 7))
    def suppressed(self, number: int) -> None:
        value = hash_address(parse_address(f"reader{number}@example.org").key, HASH_KEY)
        with self.database.write() as session:
            suppressions.add(session, "address", value, SuppressionReason.COMPLAINT, now=self.now)

    @rule()
    def finished(self) -> None:
        with self.database.write() as session:
            finish_issues(session, self.now)

    @rule(minutes=st.sampled_from((1, 6)))
    def waited(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @staticmethod
    def rows(session: Session) -> dict[int, tuple[str, str | None]]:
        found = session.execute(select(col(DeliveryRow.id), col(DeliveryRow.state), col(DeliveryRow.holder)))
        return {number: (state, holder) for number, state, holder in found}

    @invariant()
    def it_keeps_its_promises(self) -> None:
        with self.database.read() as session:
            rows = self.rows(session)
            issues = list_issues(session)
            stopped = unbalanced(session)
            nameless = select(col(DeliveryRow.id)).where(col(DeliveryRow.subscriber_id).is_(None))
            words = select(AttemptRow).where(
                col(AttemptRow.delivery_id).in_(nameless), col(AttemptRow.reply).is_not(None)
            )
            remembered = session.execute(words).first()
        assert all(issue.balanced for issue in issues)
        assert stopped == {}
        for issue in issues:
            if issue.state is IssueState.FINISHED:
                assert not any(issue.counts.as_dict()[state.value] for state in OPEN_STATES)
        # What was accepted stays so, and nothing else is.
        assert {number for number, (state, _) in rows.items() if state == DeliveryState.ACCEPTED} == self.accepted
        assert remembered is None


def machine(template: Path) -> type[Ledger]:
    return type("LedgerOfThisTest", (Ledger,), {"template": template})


def test_the_ledger_balances_after_every_step(sqlite_template: Path) -> None:
    run = machine(sqlite_template).TestCase
    run.settings = settings(
        max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run("runTest").runTest()


@pytest.mark.slow
def test_the_ledger_balances_after_every_step_of_many(sqlite_template: Path) -> None:
    run = machine(sqlite_template).TestCase
    run.settings = settings(
        max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run("runTest").runTest()
