"""What the API takes and gives of subscribers, their subscriptions and suppressions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from syndicate.model import Frequency, SubscriptionState
from syndicate.web.api.models import TEXT, Answer, Email, Line, Request, Time, Word


class Consent(Request):
    wording: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=TEXT)] = Field(
        description="The words that the reader agreed to."
    )
    form: Word | None = Field(default=None, description="Where that was.")
    network: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9A-Fa-f:./]*$")] | None = Field(
        default=None, description="The network they came from, if you keep it."
    )


class NewSubscription(Request):
    email: Email
    digest: Word
    name: Line | None = None
    frequency: Literal["instant", "daily", "weekly", "monthly"] | None = None
    topics: list[Word] | None = Field(default=None, max_length=200)
    timezone: Line | None = None
    language: Line | None = None
    confirmed: bool = Field(default=False, description="You have the consent: needs `consent` and subscribers:confirm.")
    consent: Consent | None = None


class Choice(Request):
    frequency: Literal["instant", "daily", "weekly", "monthly"] | None = None
    topics: list[Word] | None = Field(default=None, max_length=200)
    name: Line | None = None
    timezone: Line | None = None
    language: Line | None = None
    pause: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] | None = Field(
        default=None, description="The first day with issues again; empty: no pause."
    )
    catch_up: bool = Field(default=False, description="Added topics count from the last issue on, not from now.")


class EmailIn(Request):
    email: Email


class SubscriptionOut(Answer):
    digest: str
    state: SubscriptionState
    frequency: Frequency
    topics: list[str]
    created_at: Time
    confirmed_at: Time | None
    unsubscribed_at: Time | None
    paused_until: Time | None


class SubscriberOut(Answer):
    id: int
    email: str
    name: str
    language: str | None
    timezone: str | None
    created_at: Time
    subscriptions: list[SubscriptionOut]


class Subscribed(SubscriberOut):
    answer: Literal["confirmation_owed", "enough_mails", "confirmed", "already"]


class ConsentLine(Answer):
    digest: str
    event: str
    at: Time
    via: str
    wording: str | None
    wording_sha256: str | None
    form: str | None
    network: str | None


class SubscriberShown(SubscriberOut):
    consent: list[ConsentLine]


class Subscribers(Answer):
    subscribers: list[SubscriberOut]
    next: str | None


class Ended(Answer):
    digest: str
    state: SubscriptionState
    changed: bool


class Erased(Answer):
    erased: bool


class NewSuppression(Request):
    entry: Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$")] = Field(
        description="An address, or a domain."
    )
    note: Line = ""


class SuppressionOut(Answer):
    id: int
    scope: Literal["address", "domain"]
    value: str = Field(description="A keyed hash of an address, or the domain.")
    reason: str
    note: str
    created_at: Time


class Suppressions(Answer):
    suppressions: list[SuppressionOut]
    next: str | None


class Released(Answer):
    removed: bool
    absolved: int = Field(description="So many returned messages count no more.")
