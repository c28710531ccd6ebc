"""Why an issue has no delivery to a reader: what had happened to the subscription when it was frozen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.candidacy import Absence, Occurrence, Run, absence, absence_line, frequency_at, state_at
from syndicate.core.consent import Event, after, moved
from syndicate.errors import TransitionError
from syndicate.model import Frequency, IssueState, Subscription, SubscriptionState

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def subscription(**fields: Any) -> Subscription:
    values: dict[str, Any] = {
        "state": SubscriptionState.CONFIRMED,
        "frequency": Frequency.DAILY,
        "created_at": START,
        "confirmed_at": START,
        "unsubscribed_at": None,
    }
    return Subscription(
        id=1, subscriber_id=1, digest="morning", topics={"*": 0}, cursor=0, first=True, carry=(), **(values | fields)
    )


def run(at: datetime = START + DAY, **fields: Any) -> Run:
    values: dict[str, Any] = {"period": "daily/2026-11-02", "state": IssueState.FINISHED, "pruned": False}
    return Run(frozen_at=at, **(values | fields))


def happened(event: str, day: int, **detail: Any) -> Occurrence:
    return Occurrence(event=event, at=START + day * DAY, detail=detail)


def test_a_confirmed_reader_of_that_frequency_was_a_candidate() -> None:
    assert absence(run(), subscription(), []) is None
    assert absence(run(period="manual/x"), subscription(frequency=Frequency.WEEKLY), []) is None


@pytest.mark.parametrize(
    ("what", "who", "expected"),
    [
        (run(state=IssueState.SKIPPED), subscription(), Absence.ISSUE_SKIPPED),
        (run(state=IssueState.SCHEDULED), subscription(), Absence.NOT_FROZEN),
        (run(), None, Absence.NOT_SUBSCRIBED),
        (run(START - DAY), subscription(), Absence.JOINED_LATER),
        (run(), subscription(confirmed_at=START + 2 * DAY), Absence.UNCONFIRMED),
        (run(), subscription(unsubscribed_at=START + DAY / 2), Absence.UNSUBSCRIBED),
        (run(), subscription(frequency=Frequency.WEEKLY), Absence.OTHER_FREQUENCY),
        (run(pruned=True), subscription(), Absence.PRUNED),
    ],
)
def test_reasons(what: Run, who: Subscription | None, expected: Absence) -> None:
    assert absence(what, who, []) is expected


def test_who_left_later_and_came_back_was_a_candidate_before() -> None:
    history = [
        happened(Event.OPERATOR_CONFIRMED, 0),
        happened(Event.UNSUBSCRIBE, 5),
        happened(Event.SUBSCRIBE, 8),
        happened(Event.CONFIRM, 9),
    ]
    states = [state_at(subscription(), history, START + day * DAY) for day in (-1, 1, 6, 8, 10)]
    assert states == [
        None,
        SubscriptionState.CONFIRMED,
        SubscriptionState.UNSUBSCRIBED,
        SubscriptionState.UNCONFIRMED,
        SubscriptionState.CONFIRMED,
    ]


def test_a_frequency_that_was_changed_later_counts_as_it_was() -> None:
    history = [
        happened("preferences", 3, frequency=["daily", "weekly"]),
        happened("preferences", 5, topics=[["*"], ["port"]]),
        happened("preferences", 6, frequency=["weekly", "monthly"]),
    ]
    now = subscription(frequency=Frequency.MONTHLY)
    assert [frequency_at(now, history, START + day * DAY) for day in (1, 4, 7)] == ["daily", "weekly", "monthly"]
    assert frequency_at(now, [], START) is Frequency.MONTHLY


@given(st.lists(st.sampled_from(Event), min_size=1, max_size=8))
def test_the_history_gives_the_state_that_consent_gave(events: list[Event]) -> None:
    first, *rest = [Event.SUBSCRIBE, *events]
    current = subscription(state=after(None, first), confirmed_at=None)
    history = [happened(first, 0)]
    for day, event in enumerate(rest, 1):
        try:
            current = moved(current, event, START + day * DAY)
        except TransitionError:  # it did not happen, and stands in no proof
            continue
        history.append(happened(event, day))
        assert state_at(current, history, START + day * DAY) is current.state


def test_every_absence_has_its_words() -> None:
    for reason in Absence:
        line = absence_line(
            reason, digest="morning", period="daily/x", state=IssueState.DRAFT, skipped="nothing new", min_items=3
        )
        assert line
