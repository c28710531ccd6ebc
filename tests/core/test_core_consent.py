"""Consent: the table, its page, and a state machine that checks the promises made to readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from syndicate.core.consent import MEANING, TRANSITIONS, Event, after, document, moved
from syndicate.errors import TransitionError
from syndicate.model import Frequency, Subscription, SubscriptionState

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
OWN_WISH = {Event.CONFIRM, Event.OPERATOR_CONFIRMED, Event.UNDO}


def subscription(state: SubscriptionState) -> Subscription:
    return Subscription(
        id=1,
        subscriber_id=1,
        digest="morning",
        state=state,
        frequency=Frequency.DAILY,
        topics={"*": 0},
        cursor=0,
        first=True,
        carry=(),
        created_at=START,
        confirmed_at=None,
        unsubscribed_at=None,
    )


def test_the_page_is_generated_from_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "consent.md"
    assert page.read_text(encoding="utf-8") == document(), "run: python -m syndicate.core.consent > docs/consent.md"


def test_every_event_has_a_meaning_and_begins_somewhere() -> None:
    assert set(MEANING) == set(Event) == {event for _, event in TRANSITIONS}


@pytest.mark.parametrize("event", [Event.UNSUBSCRIBE, Event.COMPLAINT, Event.IMPORT_UNSUBSCRIBED])
@pytest.mark.parametrize("state", SubscriptionState)
def test_leaving_always_works(state: SubscriptionState, event: Event) -> None:
    assert after(state, event) is SubscriptionState.UNSUBSCRIBED


def test_nothing_but_an_own_wish_confirms_whoever_left() -> None:
    left = SubscriptionState.UNSUBSCRIBED
    back = {event for event in Event if TRANSITIONS.get((left, event)) is SubscriptionState.CONFIRMED}
    assert back == {Event.OPERATOR_CONFIRMED, Event.UNDO}


def test_what_is_not_in_the_table_is_refused() -> None:
    for state, event in product((None, *SubscriptionState), Event):
        if (state, event) not in TRANSITIONS:
            with pytest.raises(TransitionError):
                after(state, event)


class Life(RuleBasedStateMachine):
    """One subscription through any sequence of events, issues in between."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.subscription = subscription(SubscriptionState.UNCONFIRMED)
        self.consented = False

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        self.now += timedelta(minutes=1)
        before = self.subscription
        try:
            now = moved(before, event, self.now)
        except TransitionError:
            return
        if now.state is SubscriptionState.CONFIRMED and before.state is SubscriptionState.UNSUBSCRIBED:
            assert event in OWN_WISH
        if now.state is SubscriptionState.CONFIRMED and before.state is not SubscriptionState.CONFIRMED:
            self.consented = True
            if before.unsubscribed_at is not None and event is not Event.UNDO:
                assert now.first
                assert now.carry == ()
        if now.state is SubscriptionState.UNSUBSCRIBED:
            self.consented = False
        assert now.cursor == before.cursor
        assert now.topics == before.topics
        self.subscription = now

    @rule(seq=st.integers(1, 5), left=st.booleans())
    def issue(self, seq: int, left: bool) -> None:
        if self.subscription.state is SubscriptionState.CONFIRMED:
            values = {"cursor": self.subscription.cursor + seq, "first": False, "carry": (1,) if left else ()}
            self.subscription = Subscription(
                **{name: getattr(self.subscription, name) for name in Subscription.__slots__} | values
            )

    @invariant()
    def mail_needs_consent(self) -> None:
        confirmed = self.subscription.state is SubscriptionState.CONFIRMED
        assert confirmed == self.consented
        if confirmed:
            assert self.subscription.confirmed_at is not None
            assert self.subscription.unsubscribed_at is None
        if self.subscription.state is SubscriptionState.UNSUBSCRIBED:
            assert self.subscription.unsubscribed_at is not None


TestLife = Life.TestCase
