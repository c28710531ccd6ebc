"""The story of one delivery in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syndicate.core.happenings import Attempt, DeliveryFacts, got_it, happenings, outcome_line
from syndicate.model import AttemptEvent, DeliveryState

START = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def delivery(state: DeliveryState, **fields: Any) -> DeliveryFacts:
    values: dict[str, Any] = {
        "edition_id": 1,
        "cohort_id": 1,
        "reason": None,
        "attempts": 1,
        "due_at": START,
        "first_marked_at": START + MINUTE,
        "marked_at": START + MINUTE,
        "finished_at": START + 2 * MINUTE,
        "relay": "mx:25",
        "code": None,
        "reply": None,
        "resolved": False,
    }
    return DeliveryFacts(id=1, issue_id=1, state=state, **(values | fields))


def attempt(event: AttemptEvent, number: int = 1, **fields: Any) -> Attempt:
    values: dict[str, Any] = {
        "at": START + number * MINUTE,
        "begun_at": None,
        "reason": None,
        "relay": "mx:25",
        "code": None,
        "reply": None,
        "next_at": None,
    }
    return Attempt(number=number, event=event, **(values | fields))


def test_greylisted_then_accepted() -> None:
    row = delivery(DeliveryState.ACCEPTED, attempts=2, code=250, reply="2.0.0 Ok")
    tried = [attempt(AttemptEvent.DEFERRED, code=450, reply="4.2.0 greylisted", next_at=START + 5 * MINUTE)]
    told = happenings(row, tried, queued_at=START)
    assert [each.event for each in told] == ["queued", "deferred", "accepted"]
    assert told[1].text == "attempt 1: mx:25 did not take it yet: 450 4.2.0 greylisted"
    assert told[1].next_at == START + 5 * MINUTE
    assert told[2].text == "attempt 2: got it: mx:25 took responsibility for it: 250 2.0.0 Ok"
    assert got_it(row) is True


def test_an_end_that_an_attempt_tells_is_not_told_twice() -> None:
    refused = attempt(AttemptEvent.REJECTED, reason="hard", code=550, reply="5.1.1 no such user")
    told = happenings(delivery(DeliveryState.REJECTED, reason="hard"), [refused], queued_at=START)
    assert [each.event for each in told] == ["queued", "rejected"]
    assert told[1].text == "attempt 1: mx:25 refused it for good (hard): 550 5.1.1 no such user"
    skipped = [attempt(AttemptEvent.IN_DOUBT, reason="the sending process died"), attempt(AttemptEvent.SKIPPED, 2)]
    told = happenings(delivery(DeliveryState.IN_DOUBT, resolved=True), skipped, queued_at=START)
    assert [each.event for each in told] == ["queued", "in_doubt", "skipped"]


def test_an_end_from_before_attempts_were_kept_is_told_by_the_row() -> None:
    row = delivery(DeliveryState.REJECTED, reason="soft", code=452, reply="4.2.2 full")
    assert [each.event for each in happenings(row, [], queued_at=START)] == ["queued", "rejected"]


def test_suppressed_at_the_freeze_or_later() -> None:
    early = delivery(DeliveryState.SUPPRESSED, reason="hard", finished_at=START, attempts=0)
    late = delivery(DeliveryState.SUPPRESSED, reason="unsubscribed", attempts=0)
    assert happenings(early, [], queued_at=START)[-1].text == "suppressed at the freeze already: hard"
    assert happenings(late, [], queued_at=START)[-1].text == "suppressed before its data left: unsubscribed"


@pytest.mark.parametrize(
    ("state", "got", "says"),
    [
        (DeliveryState.QUEUED, None, "is queued"),
        (DeliveryState.SENDING, None, "just now"),
        (DeliveryState.DEFERRED, None, "not got it yet"),
        (DeliveryState.ACCEPTED, True, "got it"),
        (DeliveryState.REJECTED, False, "did not get it"),
        (DeliveryState.IN_DOUBT, None, "may have got it"),
        (DeliveryState.SUPPRESSED, False, "nothing is sent to this address"),
        (DeliveryState.CANCELLED, False, "did not get it"),
    ],
)
def test_every_state_has_its_sentence(state: DeliveryState, got: bool | None, says: str) -> None:
    assert got_it(delivery(state)) is got
    assert says in outcome_line(delivery(state))
    assert happenings(delivery(state), [], queued_at=START)


def test_who_decided_about_a_doubt_is_told() -> None:
    told = [attempt(AttemptEvent.RESENT), attempt(AttemptEvent.RETRIED), attempt(AttemptEvent.GIVEN_UP, 9)]
    texts = [each.text for each in happenings(delivery(DeliveryState.QUEUED), told, queued_at=START)]
    assert texts[1] == "the operator had it sent again"
    assert texts[2] == "the operator had it tried again"
    assert "given up" in texts[3]
    row = delivery(DeliveryState.IN_DOUBT)
    assert "syndicate issues resolve" in outcome_line(row)
