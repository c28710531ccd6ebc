"""Subscribe an address to a digest: by an operator, or by a stranger on a page (who must confirm).

What strangers are shown must not depend on the result: known, new and suppressed addresses get the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.config.publications import Digest
from syndicate.core.addresses import clean_name, hash_address, parse_address
from syndicate.core.choices import parse_frequency, parse_language, parse_timezone, parse_topics
from syndicate.core.consent import Event, after, moved
from syndicate.core.topics import changed_topics, first_topics
from syndicate.errors import StoreBusyError
from syndicate.model import Frequency, Keyring, Subscriber, Subscription, SubscriptionState
from syndicate.store import newcomers, owed_confirmations, subscribers
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.suppressions import suppression_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants what, as typed. None = not said. ``operator``: our own side asks, so existing choices may be changed.

    ``confirmed``: the operator declares that consent was given. ``via``, ``wording``, ``form`` (which one it was) and
    ``network`` (of the client, if that is kept) go into the proof of consent.
    """

    email: str
    digest: str
    name: str | None = None
    frequency: str | None = None
    topics: tuple[str, ...] | None = None
    language: str | None = None
    timezone: str | None = None
    confirmed: bool = False
    operator: bool = False
    via: str = "page"
    wording: str | None = None
    form: str | None = None
    network: str | None = None


class Answer(StrEnum):
    """What became of a wish."""

    CONFIRMATION_OWED = "confirmation_owed"  # a confirmation mail is on its way
    ENOUGH_MAILS = "enough_mails"  # unconfirmed, and no further mail for now
    CONFIRMED = "confirmed"
    ALREADY = "already"  # was confirmed before
    SUPPRESSED = "suppressed"  # may not be written to; nothing was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The answer; ``reason`` is that of the suppression, the rest is None for a suppressed address."""

    answer: Answer
    reason: str | None = None
    subscriber: Subscriber | None = None
    subscription: Subscription | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A wish after it was read."""

    wish: Wish
    digest: Digest
    event: Event
    frequency: Frequency | None
    topics: list[str] | None
    person: dict[str, str | None]
    mails_per_day: int
    now: datetime


def subscribe(database: Database, settings: Settings, keyring: Keyring, wish: Wish, *, now: datetime) -> Subscribed:
    """Subscribe an address, or begin to: unconfirmed with the confirmation mail owed in the same transaction.

    Raises AddressError, UsageError and UnknownNameError for what was typed.
    """
    begin = reader_of(settings, keyring, wish, now)
    with database.write() as session:
        return begin(session)


def reader_of(settings: Settings, keyring: Keyring, wish: Wish, now: datetime) -> Callable[[Session], Subscribed]:
    """Read a wish, and return what fulfils it in a transaction of the caller's. Raises as ``subscribe``."""
    address = parse_address(wish.email)
    request = _read(wish, settings, now)
    email_hash = hash_address(address.key, keyring.hash_key)

    def begin(session: Session) -> Subscribed:
        suppression = suppression_of(session, email_hash, address.domain)
        if suppression is not None:
            _as_much_work(session, address.key, request)
            return Subscribed(answer=Answer.SUPPRESSED, reason=suppression.reason)
        subscriber, new = newcomers.ensure_subscriber(
            session,
            address,
            email_hash,
            now=now,
            name=request.person.get("name") or "",
            language=request.person.get("language"),
            timezone=request.person.get("timezone"),
        )
        if not new and wish.operator:
            subscribers.update_person(session, subscriber.id, request.person)
        before = None if new else subscribers.subscription_to(session, subscriber.id, wish.digest)
        if before is None:
            subscription, answer = _begin(session, subscriber.id, request)
            return Subscribed(answer=answer, subscriber=subscriber, subscription=subscription)
        answer = _again(session, before, request)
        if answer is Answer.ALREADY and not wish.operator:
            return Subscribed(answer=answer, subscriber=subscriber, subscription=before)
        return Subscribed(
            answer=answer,
            subscriber=subscribers.subscriber_by_id(session, subscriber.id),
            subscription=subscribers.subscription_to(session, subscriber.id, wish.digest),
        )

    return begin


def _as_much_work(session: Session, email_key: str, request: _Request) -> None:
    """As many statements as an address needs that may be written to: the time of an answer must not tell them apart."""
    subscribers.find_subscriber(session, email_key)
    subscribers.subscription_to(session, 0, request.wish.digest)
    for _ in range(2):
        owed_confirmations.queue(session, 0, request.now, most=0)


def _read(wish: Wish, settings: Settings, now: datetime) -> _Request:
    digest = settings.named_digest(wish.digest)
    person: dict[str, str | None] = {}
    if wish.name is not None:
        person["name"] = clean_name(wish.name)
    if wish.language is not None:
        person["language"] = parse_language(wish.language) if wish.language else None
    if wish.timezone is not None:
        person["timezone"] = parse_timezone(wish.timezone) if wish.timezone else None
    event = Event.SUBSCRIBE_SINGLE if digest.optin == "single" else Event.SUBSCRIBE
    return _Request(
        wish=wish,
        digest=digest,
        event=Event.OPERATOR_CONFIRMED if wish.confirmed and wish.operator else event,
        frequency=None if wish.frequency is None else parse_frequency(wish.frequency, digest),
        topics=None if wish.topics is None else parse_topics(wish.topics, digest),
        person=person,
        mails_per_day=settings.signup.mails_per_day,
        now=now,
    )


def _begin(session: Session, subscriber_id: int, request: _Request) -> tuple[Subscription, Answer]:
    subscription = newcomers.add_subscription(
        session,
        subscriber_id,
        request.wish.digest,
        state=after(None, request.event),
        frequency=request.frequency or request.digest.frequency,
        topics=first_topics(request.topics or ()),
        now=request.now,
    )
    if subscription is None:
        raise StoreBusyError("the same address is being subscribed by another process; try again")
    _record(session, subscription.id, request)
    return subscription, _owe(session, subscription, request)


def _again(session: Session, before: Subscription, request: _Request) -> Answer:
    moves_to = moved(before, request.event, request.now)
    known = before.state is SubscriptionState.CONFIRMED
    # A form is typed by anybody: it must not change what a confirmed reader chose.
    if request.wish.operator or not known:
        topics = None if request.topics is None else _topics(session, before, request.topics)
        subscribers.set_choice(session, before.id, frequency=request.frequency, topics=topics)
    if moves_to is not before:
        if not subscribers.move_subscription(session, before, moves_to):
            raise StoreBusyError("the subscription was changed by another process at the same time; try again")
        _record(session, before.id, request)
    if moves_to.state is SubscriptionState.CONFIRMED:
        owed_confirmations.cancel(session, [before.id], request.now)
    return Answer.ALREADY if known else _owe(session, moves_to, request)


def _topics(session: Session, before: Subscription, chosen: list[str]) -> dict[str, int]:
    if before.cursor == 0 and before.first and before.confirmed_at is None:
        return first_topics(chosen)  # nothing was ever considered for it
    return changed_topics(before.topics, chosen, highest_seq(session))


def _owe(session: Session, subscription: Subscription, request: _Request) -> Answer:
    if subscription.state is SubscriptionState.CONFIRMED:
        return Answer.CONFIRMED
    owed = owed_confirmations.queue(session, subscription.id, request.now, request.mails_per_day)
    return Answer.CONFIRMATION_OWED if owed else Answer.ENOUGH_MAILS


def _record(session: Session, subscription_id: int, request: _Request) -> None:
    wording = request.wish.wording
    detail: dict[str, Any] = {}
    if wording is not None:
        detail = {"wording": wording, "wording_sha256": hashlib.sha256(wording.encode()).hexdigest()}
    if request.wish.form is not None:
        detail["form"] = request.wish.form
    if request.wish.network is not None:
        detail["network"] = request.wish.network
    subscribers.record_event(
        session, subscription_id, request.event, via=request.wish.via, now=request.now, detail=detail
    )
