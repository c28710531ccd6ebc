"""Whether a subscription was a candidate for an issue that has no delivery for it, and if not, why.

Judged by the proof of consent: what had happened to the subscription when the issue was frozen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from syndicate.core.consent import Event, after
from syndicate.errors import TransitionError
from syndicate.model import Frequency, IssueState, Subscription, SubscriptionState


class Absence(StrEnum):
    """Why an issue has no delivery to a reader."""

    NOT_SUBSCRIBED = "not_subscribed"
    JOINED_LATER = "joined_later"
    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused"
    OTHER_FREQUENCY = "other_frequency"
    ISSUE_SKIPPED = "issue_skipped"
    NOT_FROZEN = "not_frozen"
    PRUNED = "pruned"
    NOTHING_NEW = "nothing_new"
    TOO_LITTLE_NEW = "too_little_new"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One line of the proof of consent."""

    event: str
    at: datetime
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What must be known of an issue to say who was a candidate. ``pruned``: its rows are not kept any more.

    ``frozen``: it has deliveries, though it may have been skipped, as a draft that lapsed.
    """

    period: str
    state: IssueState
    frozen_at: datetime
    pruned: bool
    frozen: bool = False


def absence(run: Run, subscription: Subscription | None, history: Sequence[Occurrence]) -> Absence | None:
    """Why a subscription was no candidate for an issue; None when it was one, so that only articles were missing."""
    if run.state is IssueState.SKIPPED and not run.frozen:
        return Absence.ISSUE_SKIPPED
    if run.state is IssueState.SCHEDULED:
        return Absence.NOT_FROZEN
    if subscription is None:
        return Absence.NOT_SUBSCRIBED
    state = state_at(subscription, history, run.frozen_at)
    if state is None:
        return Absence.JOINED_LATER
    if state is SubscriptionState.UNCONFIRMED:
        return Absence.UNCONFIRMED
    if state is SubscriptionState.UNSUBSCRIBED:
        return Absence.UNSUBSCRIBED
    if paused_at(history, run.frozen_at):
        return Absence.PAUSED
    rhythm = run.period.partition("/")[0]
    if rhythm in set(Frequency) and frequency_at(subscription, history, run.frozen_at) != rhythm:
        return Absence.OTHER_FREQUENCY
    return Absence.PRUNED if run.pruned else None


def absence_line(
    reason: Absence, *, digest: str, period: str, state: IssueState, skipped: str | None, min_items: int
) -> str:
    """Why an issue has no delivery to a reader, for people; ``skipped``: the reason of an issue that was."""
    rhythm = period.partition("/")[0]
    return {
        Absence.NOT_SUBSCRIBED: f"not sent to this reader: there is no subscription to {digest}",
        Absence.JOINED_LATER: "not sent to this reader: the subscription began after the issue was frozen",
        Absence.UNCONFIRMED: "not sent to this reader: the subscription was not confirmed when the issue was frozen",
        Absence.UNSUBSCRIBED: "not sent to this reader: they had unsubscribed before the issue was frozen",
        Absence.PAUSED: "not sent to this reader: they had paused the subscription",
        Absence.OTHER_FREQUENCY: f"not sent to this reader: it was for {rhythm} readers, another frequency was chosen",
        Absence.ISSUE_SKIPPED: f"not sent to anybody: {skipped or 'it was skipped'}",
        Absence.NOT_FROZEN: f"not sent to anybody yet: the issue is {state}",
        Absence.PRUNED: "cannot be known any more: the rows of this issue were pruned (service.keep_deliveries)",
        Absence.NOTHING_NEW: "not sent to this reader: nothing was new for them, of the topics that they chose",
        Absence.TOO_LITTLE_NEW: f"not sent to this reader: fewer than min_items ({min_items}) were new for them",
        Absence.UNKNOWN: "not sent to this reader; what is kept does not tell why (settings or topics changed since)",
    }[reason]


def state_at(subscription: Subscription, history: Sequence[Occurrence], at: datetime) -> SubscriptionState | None:
    """The state that a subscription was in at a time; None before it was there."""
    known = [each for each in history if each.event in set(Event)]
    if not known:
        return _state_by_times(subscription, at)
    state: SubscriptionState | None = None
    for each in known:
        if each.at > at:
            break
        try:
            state = after(state, Event(each.event))
        except TransitionError:  # the beginning of the proof is missing: what counts is where it leads
            state = _state_by_times(subscription, at)
    return state


def frequency_at(subscription: Subscription, history: Sequence[Occurrence], at: datetime) -> Frequency:
    """The frequency that a subscription had at a time, by the changes that readers made on their page."""
    changes = [(each.at, each.detail["frequency"]) for each in history if _is_change(each.detail.get("frequency"))]
    before = [change for when, change in changes if when <= at]
    if before:
        return Frequency(before[-1][1])
    return Frequency(changes[0][1][0]) if changes else subscription.frequency


def paused_at(history: Sequence[Occurrence], at: datetime) -> bool:
    """Whether the reader had paused the subscription at a time, by the changes that readers made on their page."""
    said = [each.detail["paused_until"] for each in history if each.at <= at and "paused_until" in each.detail]
    return bool(said) and said[-1] is not None and at < datetime.fromisoformat(said[-1])


def _is_change(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and set(value) <= set(Frequency)  # noqa: PLR2004 - from, to


def _state_by_times(subscription: Subscription, at: datetime) -> SubscriptionState | None:
    if subscription.created_at > at:
        return None
    if subscription.unsubscribed_at is not None and subscription.unsubscribed_at <= at:
        return SubscriptionState.UNSUBSCRIBED
    if subscription.confirmed_at is None or subscription.confirmed_at > at:
        return SubscriptionState.UNCONFIRMED
    return SubscriptionState.CONFIRMED
