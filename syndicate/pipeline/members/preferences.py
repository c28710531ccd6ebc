"""What a link's page shows of a subscription, and the change of preferences. Reading never writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.addresses import clean_name, mask
from syndicate.core.choices import parse_frequency, parse_language, parse_pause, parse_timezone, parse_topics
from syndicate.core.links import PROBES, Purpose, verify, verify_unsubscribe
from syndicate.core.topics import changed_topics, chosen_topics
from syndicate.errors import TransitionError, UnknownNameError
from syndicate.model import Frequency, Keyring, Subscriber, Subscription, SubscriptionState
from syndicate.pipeline.members.unsubscribing import may_undo
from syndicate.store import subscribers
from syndicate.store.articles import highest_seq
from syndicate.store.engine import Database
from syndicate.store.pauses import set_pause

PREFERENCES = "preferences"  # in the proof of consent, beside the events of core/consent.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A subscription as its link's page shows it. The address only masked: mails are forwarded, links and all."""

    subscription: Subscription
    masked_email: str
    name: str
    language: str | None
    timezone: str | None
    may_undo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a reader chose, as typed; None leaves a thing as it is.

    ``catch_up``: added topics count from the last issue on, not from now on. ``pause``: the first day with issues again
    (2026-12-24, in the reader's zone), "" for no pause.
    """

    frequency: str | None = None
    topics: tuple[str, ...] | None = None
    name: str | None = None
    language: str | None = None
    timezone: str | None = None
    catch_up: bool = False
    pause: str | None = None


def show(database: Database, keyring: Keyring, purpose: Purpose, token: str, *, now: datetime) -> Shown | None:
    """The subscription of a link; None when its subscriber was erased. Raises TokenError."""
    payload = verify(keyring, purpose, token, now)
    with database.read() as session:
        return _show(session, payload.subscription_id, now)


def show_all(database: Database, keyring: Keyring, token: str, *, now: datetime) -> list[Shown]:
    """The subscriptions that an unsubscribe link stands for; not those whose subscriber was erased. Raises TokenError.

    One, or those of a joint mail in its order. For a link of nobody, with which ``doctor`` looks at the page: a
    stand-in.
    """
    ids = verify_unsubscribe(keyring, token, now)
    if ids[0] in PROBES:
        return [_stand_in(ids[0], now)]
    with database.read() as session:
        found = [_show(session, number, now) for number in ids]
    return [shown for shown in found if shown is not None]


def _stand_in(number: int, now: datetime) -> Shown:
    nobody = Subscription(
        id=number,
        subscriber_id=number,
        digest="doctor",
        state=SubscriptionState.CONFIRMED,
        frequency=Frequency.DAILY,
        topics={},
        cursor=0,
        first=True,
        carry=(),
        created_at=now,
        confirmed_at=now,
        unsubscribed_at=None,
    )
    return Shown(
        subscription=nobody, masked_email="n…@example.invalid", name="", language=None, timezone=None, may_undo=False
    )


def _show(session: Session, subscription_id: int, now: datetime) -> Shown | None:
    subscription = subscribers.subscription_by_id(session, subscription_id)
    subscriber = None if subscription is None else subscribers.subscriber_by_id(session, subscription.subscriber_id)
    if subscription is None or subscriber is None:
        return None
    return _shown(subscription, subscriber, undoable=may_undo(session, subscription, now))


def change_preferences(
    database: Database, settings: Settings, keyring: Keyring, token: str, wanted: Preferences, *, now: datetime
) -> Shown:
    """Change what the reader chose.

    Raises TokenError, UnknownNameError (erased since), UsageError (not on offer), TransitionError (the subscription has
    ended).
    """
    payload = verify(keyring, Purpose.PREFERENCES, token, now)
    with database.write() as session:
        before = subscribers.subscription_by_id(session, payload.subscription_id)
        person = None if before is None else subscribers.subscriber_by_id(session, before.subscriber_id)
        if before is None or person is None:
            raise UnknownNameError("this subscription does not exist any more")
        if before.state is SubscriptionState.UNSUBSCRIBED:
            raise TransitionError("this subscription has ended; subscribe again to choose anew")
        _apply(session, settings, before, person, wanted, now=now, via="page")
        subscription = subscribers.subscription_by_id(session, before.id)
        subscriber = subscribers.subscriber_by_id(session, person.id)
        assert subscription is not None  # noqa: S101 - read above, in the same transaction
        assert subscriber is not None  # noqa: S101 - likewise
        return _shown(subscription, subscriber, undoable=False)


def change_choice(
    database: Database,
    settings: Settings,
    subscriber_id: int,
    digest: str,
    wanted: Preferences,
    *,
    now: datetime,
    via: str,
) -> None:
    """The same by the publisher's own side, for a subscriber of that number.

    Raises UnknownNameError (no such subscription), UsageError, TransitionError.
    """
    with database.write() as session:
        before = subscribers.subscription_to(session, subscriber_id, digest)
        person = None if before is None else subscribers.subscriber_by_id(session, subscriber_id)
        if before is None or person is None:
            raise UnknownNameError(f"subscriber {subscriber_id} has no subscription to {digest!r}")
        if before.state is SubscriptionState.UNSUBSCRIBED:
            raise TransitionError("this subscription has ended; subscribe again to choose anew")
        _apply(session, settings, before, person, wanted, now=now, via=via)


def _apply(
    session: Session,
    settings: Settings,
    before: Subscription,
    person: Subscriber,
    wanted: Preferences,
    *,
    now: datetime,
    via: str,
) -> None:
    digest = settings.named_digest(before.digest)
    detail: dict[str, object] = {}
    frequency = None if wanted.frequency is None else parse_frequency(wanted.frequency, digest)
    if frequency is not None and frequency is not before.frequency:
        detail["frequency"] = [before.frequency, frequency]
    topics = None
    if wanted.topics is not None:
        chosen = parse_topics(wanted.topics, digest)
        if chosen != chosen_topics(before.topics):
            topics = changed_topics(before.topics, chosen, highest_seq(session), catch_up=wanted.catch_up)
            detail["topics"] = [chosen_topics(before.topics), chosen]
    subscribers.set_choice(session, before.id, frequency=frequency, topics=topics)
    changes = _changes(wanted, person)
    if wanted.pause is not None:
        zone = changes.get("timezone", person.timezone) or settings.digest_zone(before.digest).key
        until = parse_pause(wanted.pause, ZoneInfo(zone), now)
        if until != before.paused_until:
            set_pause(session, before.id, until)
            detail["paused_until"] = None if until is None else until.isoformat()
    subscribers.update_person(session, person.id, changes)
    # Only that the name changed is proof enough; the name itself need not stand in a log.
    detail |= {key: True if key == "name" else value for key, value in changes.items()}
    if detail:
        subscribers.record_event(session, before.id, PREFERENCES, via=via, now=now, detail=detail)


def _changes(wanted: Preferences, person: Subscriber) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    if wanted.name is not None:
        values["name"] = clean_name(wanted.name)
    if wanted.language is not None:
        values["language"] = parse_language(wanted.language) if wanted.language else None
    if wanted.timezone is not None:
        values["timezone"] = parse_timezone(wanted.timezone) if wanted.timezone else None
    return {key: value for key, value in values.items() if value != getattr(person, key)}


def _shown(subscription: Subscription, subscriber: Subscriber, *, undoable: bool) -> Shown:
    return Shown(
        subscription=subscription,
        masked_email=mask(subscriber.email),
        name=subscriber.name,
        language=subscriber.language,
        timezone=subscriber.timezone,
        may_undo=undoable,
    )
