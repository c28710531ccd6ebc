"""The states of a subscription and what moves them, as one table. ``docs/consent.md`` is generated from it.

Rule: what is not in the table does not happen. Writing the states: ``store/subscribers.py``; proof: ``consent_events``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from syndicate.errors import TransitionError
from syndicate.model import Subscription, SubscriptionState

# How long the undo button works. The link it stands behind never expires and travels with forwarded mails.
UNDO_WITHIN: Final = timedelta(days=1)

_UNCONFIRMED: Final = SubscriptionState.UNCONFIRMED
_CONFIRMED: Final = SubscriptionState.CONFIRMED
_UNSUBSCRIBED: Final = SubscriptionState.UNSUBSCRIBED


class Event(StrEnum):
    """What can happen to a subscription's consent; the words stand in ``consent_events.event``."""

    SUBSCRIBE = "subscribe"
    SUBSCRIBE_SINGLE = "subscribe_single"
    CONFIRM = "confirm"
    OPERATOR_CONFIRMED = "operator_confirmed"
    IMPORT_CONFIRMED = "import_confirmed"
    IMPORT_UNSUBSCRIBED = "import_unsubscribed"
    UNSUBSCRIBE = "unsubscribe"
    UNDO = "undo"
    COMPLAINT = "complaint"


MEANING: Final[dict[Event, str]] = {
    Event.SUBSCRIBE: "asked for, with double opt-in: a confirmation mail goes out",
    Event.SUBSCRIBE_SINGLE: 'asked for, with `optin = "single"`',
    Event.CONFIRM: "the button behind the link in the confirmation mail",
    Event.OPERATOR_CONFIRMED: "the operator declares the consent: `subscribers add --confirmed`",
    Event.IMPORT_CONFIRMED: "the operator declares the consent of a CSV line: by `--confirmed` or by its state",
    Event.IMPORT_UNSUBSCRIBED: "a line of an import says that this person has left",
    Event.UNSUBSCRIBE: "the reader's button, one click in the mail program, a mail, or the operator",
    Event.UNDO: "the undo button right after a reader unsubscribed",
    Event.COMPLAINT: "the reader's provider reports a complaint",
}

# None is "no subscription yet". Confirming twice and unsubscribing twice are no errors: links are clicked twice.
TRANSITIONS: Final[dict[tuple[SubscriptionState | None, Event], SubscriptionState]] = {
    (None, Event.SUBSCRIBE): _UNCONFIRMED,
    (None, Event.SUBSCRIBE_SINGLE): _CONFIRMED,
    (None, Event.OPERATOR_CONFIRMED): _CONFIRMED,
    (None, Event.IMPORT_CONFIRMED): _CONFIRMED,
    (None, Event.IMPORT_UNSUBSCRIBED): _UNSUBSCRIBED,
    (_UNCONFIRMED, Event.SUBSCRIBE): _UNCONFIRMED,
    (_UNCONFIRMED, Event.SUBSCRIBE_SINGLE): _CONFIRMED,
    (_UNCONFIRMED, Event.CONFIRM): _CONFIRMED,
    (_UNCONFIRMED, Event.OPERATOR_CONFIRMED): _CONFIRMED,
    (_UNCONFIRMED, Event.IMPORT_CONFIRMED): _CONFIRMED,
    (_UNCONFIRMED, Event.IMPORT_UNSUBSCRIBED): _UNSUBSCRIBED,
    (_UNCONFIRMED, Event.UNSUBSCRIBE): _UNSUBSCRIBED,
    (_UNCONFIRMED, Event.COMPLAINT): _UNSUBSCRIBED,
    (_CONFIRMED, Event.SUBSCRIBE): _CONFIRMED,
    (_CONFIRMED, Event.SUBSCRIBE_SINGLE): _CONFIRMED,
    (_CONFIRMED, Event.CONFIRM): _CONFIRMED,
    (_CONFIRMED, Event.OPERATOR_CONFIRMED): _CONFIRMED,
    (_CONFIRMED, Event.IMPORT_CONFIRMED): _CONFIRMED,
    (_CONFIRMED, Event.IMPORT_UNSUBSCRIBED): _UNSUBSCRIBED,
    (_CONFIRMED, Event.UNSUBSCRIBE): _UNSUBSCRIBED,
    (_CONFIRMED, Event.COMPLAINT): _UNSUBSCRIBED,
    # Whoever left comes back only by their own confirmation or by the operator's word for this one address: an import
    # or a single opt-in form never brings anybody back, and neither does an old confirm link that is clicked again.
    (_UNSUBSCRIBED, Event.SUBSCRIBE): _UNCONFIRMED,
    (_UNSUBSCRIBED, Event.SUBSCRIBE_SINGLE): _UNCONFIRMED,
    (_UNSUBSCRIBED, Event.OPERATOR_CONFIRMED): _CONFIRMED,
    (_UNSUBSCRIBED, Event.UNDO): _CONFIRMED,
    (_UNSUBSCRIBED, Event.IMPORT_UNSUBSCRIBED): _UNSUBSCRIBED,
    (_UNSUBSCRIBED, Event.UNSUBSCRIBE): _UNSUBSCRIBED,
    (_UNSUBSCRIBED, Event.COMPLAINT): _UNSUBSCRIBED,
}


def after(state: SubscriptionState | None, event: Event) -> SubscriptionState:
    """The state that an event leads to. Raises TransitionError when the table does not have it."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(f"a subscription that is {state or 'not there'} cannot be changed by {event}") from None


def moved(subscription: Subscription, event: Event, now: datetime) -> Subscription:
    """The subscription after an event; the same value when it changes nothing. Raises TransitionError as ``after``.

    Whoever comes back keeps the cursor, so nothing repeats, and looks back only ``lookback``, so no flood comes (the
    store notes which number was the last at that moment). Undo restores the subscription as if nothing had happened.
    """
    state = after(subscription.state, event)
    if state is subscription.state:
        return subscription
    if state is _UNSUBSCRIBED:
        return replace(subscription, state=state, unsubscribed_at=now)
    if state is _UNCONFIRMED:
        return replace(subscription, state=state, confirmed_at=None)
    if event is Event.UNDO:
        if subscription.confirmed_at is None:
            raise TransitionError("only a subscription that was confirmed can be restored")
        return replace(subscription, state=state, unsubscribed_at=None)
    came_back = subscription.unsubscribed_at is not None
    return replace(
        subscription,
        state=state,
        confirmed_at=now,
        unsubscribed_at=None,
        first=subscription.first or came_back,
        carry=() if came_back else subscription.carry,
    )


def diagram() -> str:
    """The table as a Mermaid state diagram; events that change nothing are left out."""
    lines = ["stateDiagram-v2"]
    moves: dict[tuple[str, str], list[str]] = {}
    for (state, event), target in TRANSITIONS.items():
        if state is not target:
            moves.setdefault((state or "[*]", target), []).append(event)
    lines += [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in moves.items()]
    return "\n".join(lines) + "\n"


def document() -> str:
    """The whole of ``docs/consent.md``."""
    width = max(len(event) for event in Event) + 2
    states = (None, *SubscriptionState)
    head = ["event", "what happens", *(str(state or "none yet") for state in states)]
    rows = [
        [
            f"`{event}`".ljust(width),
            MEANING[event],
            *(str(TRANSITIONS.get((state, event), "refused")) for state in states),
        ]
        for event in Event
    ]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
    return (
        "# Consent\n\n"
        "Generated from the table in `syndicate/core/consent.py` by `python -m syndicate.core.consent`.\n"
        "A test fails when this page and the table differ.\n\n"
        f"```mermaid\n{diagram()}```\n\n"
        "In the table below, a column is the state before, a cell the state after.\n\n"
        f"{table}\n\n"
        "- Whoever left comes back only by their own confirmation, by the undo button within a day, or by the\n"
        "  operator's word for that one address (`subscribers add EMAIL --confirmed`). Imports and single opt-in\n"
        "  forms never do it.\n"
        "- Coming back keeps the cursor and looks back only `lookback`: nothing repeats and no flood comes.\n"
        "- Every event that was applied stands in `consent_events` with time, way and wording. GET applies none.\n"
    )


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - this prints the page
