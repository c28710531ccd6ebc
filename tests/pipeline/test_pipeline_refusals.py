"""What servers refuse at submission: it counts like a bounce, and too much of it pauses the issue; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from world import ScriptedSender, World, accept, courier

from syndicate.core.bounces.pausing import PauseShares
from syndicate.model import Envelope, IssueState, Keyring, Outcome, OutcomeKind
from syndicate.pipeline import control
from syndicate.pipeline.deliver import posting
from syndicate.store import bounces, subscribers
from syndicate.store.engine import Database
from syndicate.store.issue_pauses import paused_by_itself
from syndicate.store.suppressions import suppressions

READER = "ann@reader.example"
UNKNOWN = (550, "5.1.1", "550 5.1.1 user unknown")
NO_CODE = (550, None, "550 no such user here")
SPAM = (554, "5.7.1", "554 5.7.1 rejected as spam")
FULL = (552, "5.2.2", "552 5.2.2 mailbox full")


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(posting, "JUDGE_EVERY", 0.0)
    return World(database, courier(), keyring, now)


def refuse(said: tuple[int, str | None, str], local: str = "") -> Callable[[Envelope], Outcome]:
    """Refuse those whose address begins so, in these words."""

    def answer(envelope: Envelope) -> Outcome:
        if not envelope.recipient.startswith(local):
            return accept(envelope)
        code, enhanced, text = said
        return Outcome(kind=OutcomeKind.REJECTED, code=code, enhanced=enhanced, text=text, relay="scripted")

    return answer


def send(world: World, answer: Callable[[Envelope], Outcome]) -> int:
    world.article(f"story-{world.now:%Y-%m-%d}")
    world.poll()
    issue = world.compose(f"daily/{world.now:%Y-%m-%d}")
    world.deliver(ScriptedSender(answer=answer))
    return issue.id


def listed(world: World) -> list[tuple[str, str]]:
    with world.database.read() as session:
        return [(one.reason.value, one.note) for one in suppressions(session)]


def test_an_unknown_user_at_submission_is_suppressed_at_once(world: World) -> None:
    world.subscriber(READER)
    issue = send(world, refuse(UNKNOWN))
    assert world.counts(issue).rejected == 1
    assert listed(world) == [("hard", "dead address, 1 issue")]
    world.now += timedelta(days=1)
    assert world.counts(send(world, accept)).suppressed == 1
    with world.database.read() as session:
        assert bounces.bounce_counts(session, issue) == {}  # nothing came back: it is on the ledger already


def test_words_alone_need_a_second_issue_within_a_week(world: World) -> None:
    world.subscriber(READER)
    send(world, refuse(NO_CODE))
    assert listed(world) == []
    world.now += timedelta(days=9)
    send(world, refuse(NO_CODE))
    assert listed(world) == []
    world.now += timedelta(days=7)
    send(world, refuse(NO_CODE))
    assert listed(world) == [("hard", "dead address by its words, 2 issues")]


def test_our_own_fault_at_submission_suppresses_nobody(world: World) -> None:
    world.subscriber(READER)
    for _ in range(12):
        send(world, refuse(SPAM))
        world.now += timedelta(days=3)
    assert listed(world) == []


def test_full_mailboxes_at_submission_count_in_a_row(world: World) -> None:
    world.subscriber(READER)
    for _ in range(5):
        assert listed(world) == []
        send(world, refuse(FULL))
        world.now += timedelta(days=4)
    assert listed(world) == [("hard", "5 issues in a row came back, over 16 days")]


def test_what_an_operator_undid_counts_no_more(world: World) -> None:
    reader = world.subscriber(READER)
    send(world, refuse(UNKNOWN))
    with world.database.write() as session:
        hashed = subscribers.hash_and_domain(session, reader)
        assert hashed is not None
        assert bounces.absolve(session, hashed[0]) == 1
        assert bounces.history(session, reader)[0] == []


def test_an_issue_pauses_when_too_much_of_it_is_refused(world: World) -> None:
    for number in range(40):
        world.subscriber(f"{'dead' if number % 4 == 0 else 'ann'}{number}@reader.example")
    world.article("story")
    world.poll()
    issue = world.compose()
    shares = PauseShares(least=20)
    world.deliver(ScriptedSender(answer=refuse(UNKNOWN, "dead"), connections=1), shares=shares)
    found = world.issue(issue.id)
    assert found.state is IssueState.PAUSED
    assert found.reason is not None
    assert "are dead addresses" in found.reason
    assert found.counts.queued > 0
    assert found.balanced
    assert any("is paused" in line for line in world.told)
    with world.database.read() as session:
        assert list(paused_by_itself(session)) == [issue.id]
    # An operator looked, and lets it go on: it is not held again for the same.
    control.resume(world.database, issue.id, world.now)
    world.deliver(ScriptedSender(answer=refuse(UNKNOWN, "dead"), connections=1), shares=shares)
    assert world.issue(issue.id).state is IssueState.FINISHED
    assert world.counts(issue.id).rejected == 10
    with world.database.read() as session:
        assert paused_by_itself(session) == {}


def test_what_was_refused_before_enough_was_answered_counts_when_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "JUDGE_SELDOM", 0.0)
    for number in range(40):
        world.subscriber(f"{'dead' if number < 6 else 'ann'}{number}@reader.example")
    world.article("story")
    world.poll()
    issue = world.compose()
    world.deliver(ScriptedSender(answer=refuse(UNKNOWN, "dead"), connections=1), shares=PauseShares(least=20))
    assert world.issue(issue.id).state is IssueState.PAUSED
    assert world.counts(issue.id).rejected == 6


@pytest.mark.parametrize(
    ("least", "percent", "said"), [(41, 10, UNKNOWN), (20, 0, UNKNOWN), (20, 40, UNKNOWN), (20, 10, FULL)]
)
def test_what_is_no_reason_to_pause(world: World, least: int, percent: int, said: tuple[int, str | None, str]) -> None:
    for number in range(40):
        world.subscriber(f"{'dead' if number % 4 == 0 else 'ann'}{number}@reader.example")
    world.article("story")
    world.poll()
    issue = world.compose()
    shares = PauseShares(percent=dict.fromkeys(PauseShares().percent, percent), least=least)
    world.deliver(ScriptedSender(answer=refuse(said, "dead"), connections=1), shares=shares)
    assert world.issue(issue.id).state is IssueState.FINISHED
