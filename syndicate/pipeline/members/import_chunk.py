"""One chunk of an import: lines applied to what is stored, in memory first, then written with one statement a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlmodel import Session

from syndicate.config.publications import Digest
from syndicate.core.addresses import hash_address
from syndicate.core.consent import Event, after, moved
from syndicate.core.subscriber_lines import SubscriberLine
from syndicate.core.topics import EVERYTHING, changed_topics, chosen_topics
from syndicate.model import Keyring, Subscriber, Subscription, SubscriptionState
from syndicate.store import owed_confirmations, subscriber_batches, subscribers
from syndicate.store.articles import highest_seq
from syndicate.store.suppressions import suppressed_domains, suppressed_hashes

VIA = "import"
_EVENTS = {
    SubscriptionState.CONFIRMED: Event.IMPORT_CONFIRMED,
    SubscriptionState.UNSUBSCRIBED: Event.IMPORT_UNSUBSCRIBED,
    SubscriptionState.UNCONFIRMED: Event.SUBSCRIBE,
}


@dataclass(slots=True)
class Imported:
    """What an import did: its lines by what became of them. ``unused`` names the columns that were not read.

    ``kept_unsubscribed``: readers who had left; a line never brings anybody back. ``owed``: confirmation mails.
    """

    lines: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_unsubscribed: int = 0
    bad: int = 0
    owed: int = 0
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """``digest``: for lines that name none. ``confirmed``: the operator declares consent for lines without a state.

    ``dry_run``: everything is looked at and nothing is stored.
    """

    digest: str | None = None
    confirmed: bool = False
    dry_run: bool = False
    origin: str = ""  # the file's name, for the proof of consent


@dataclass(slots=True)
class _Person:
    stored: Subscriber | None
    wanted: Subscriber
    email_hash: str
    domain: str


@dataclass(slots=True)
class _Membership:
    stored: Subscription | None
    wanted: Subscription
    events: list[tuple[Event, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Chunk:
    rules: ImportRules
    digests: Mapping[str, Digest]
    now: datetime
    highest_seq: int
    seen: set[int] = field(default_factory=set)
    people: dict[str, _Person] = field(default_factory=dict)
    memberships: dict[tuple[str, str], _Membership] = field(default_factory=dict)


def store_lines(
    session: Session,
    lines: Sequence[SubscriberLine],
    digests: Mapping[str, Digest],
    keyring: Keyring,
    rules: ImportRules,
    *,
    now: datetime,
    result: Imported,
    report: Callable[[int, str], None],
    seen: set[int],
) -> None:
    """Apply lines in their order, in the caller's transaction, and count into ``result``.

    A later line for the same address and digest goes over an earlier one. ``seen`` is a dry run's memory of what
    earlier chunks would have added.
    """
    chunk = _Chunk(rules=rules, digests=digests, now=now, highest_seq=highest_seq(session), seen=seen)
    hashes = {line.address.key: hash_address(line.address.key, keyring.hash_key) for line in lines}
    refused = suppressed_hashes(session, hashes.values())
    refused_domains = suppressed_domains(session, {line.address.domain for line in lines})
    known = subscriber_batches.subscribers_by_key(session, list(hashes))
    subscribed = subscriber_batches.subscriptions_by_subscriber(session, [person.id for person in known.values()])
    for line in lines:
        reason = refused.get(hashes[line.address.key]) or refused_domains.get(line.address.domain)
        if reason is not None:
            result.bad += 1
            report(line.number, f"{line.address.email} is suppressed ({reason})")
            continue
        stored = known.get(line.address.key)
        changed = _apply_person(chunk, line, stored, hashes[line.address.key])
        membership = None if stored is None else subscribed.get((stored.id, line.digest))
        _apply_membership(chunk, line, membership, result, changed=changed)
    if rules.dry_run:
        result.owed += sum(
            membership.stored is None and membership.wanted.state is SubscriptionState.UNCONFIRMED
            for membership in chunk.memberships.values()
        )
    else:
        _write(session, chunk, result)


def _apply_person(chunk: _Chunk, line: SubscriberLine, stored: Subscriber | None, email_hash: str) -> bool:
    person = chunk.people.get(line.address.key)
    if person is None and stored is None:
        wanted = Subscriber(
            id=0,
            email=line.address.email,
            email_key=line.address.key,
            name=line.name or "",
            language=line.language,
            timezone=line.timezone,
            created_at=chunk.now,
        )
        chunk.people[line.address.key] = _Person(None, wanted, email_hash, line.address.domain)
        return True
    if person is None:
        assert stored is not None  # noqa: S101 - the case above
        person = chunk.people[line.address.key] = _Person(stored, stored, email_hash, line.address.domain)
    before = person.wanted
    name = before.name if line.name is None else line.name
    language = line.language or before.language
    timezone = line.timezone or before.timezone
    if (name, language, timezone) == (before.name, before.language, before.timezone):
        return False
    person.wanted = replace(before, name=name, language=language, timezone=timezone)
    return True


def _apply_membership(
    chunk: _Chunk, line: SubscriberLine, stored: Subscription | None, result: Imported, *, changed: bool
) -> None:
    place = (line.address.key, line.digest)
    membership = chunk.memberships.get(place)
    event = _event(chunk, line)
    if membership is None and stored is None:
        if chunk.rules.dry_run:
            if hash(place) in chunk.seen:
                result.unchanged += 1  # or changed by it; added it is not
                return
            chunk.seen.add(hash(place))
        chunk.memberships[place] = _Membership(None, _new(chunk, line, event), [(event, line.number)])
        result.added += 1
        return
    if membership is None:
        assert stored is not None  # noqa: S101 - the case above
        membership = chunk.memberships[place] = _Membership(stored, stored)
    before = membership.wanted
    if before.state is SubscriptionState.UNSUBSCRIBED and event is not Event.IMPORT_UNSUBSCRIBED:
        result.kept_unsubscribed += 1
        return
    wanted = moved(before, event, chunk.now)
    if wanted is not before:
        membership.events.append((event, line.number))
    frequency = line.frequency or wanted.frequency
    topics = wanted.topics
    if line.topics is not None and list(line.topics) != chosen_topics(wanted.topics):
        fresh = membership.stored is None
        topics = dict.fromkeys(line.topics, 0) if fresh else changed_topics(topics, line.topics, chunk.highest_seq)
    if frequency is not wanted.frequency or topics is not wanted.topics:
        wanted = replace(wanted, frequency=frequency, topics=topics)
    membership.wanted = wanted
    if changed or wanted is not before:
        result.updated += 1
    else:
        result.unchanged += 1


def _event(chunk: _Chunk, line: SubscriberLine) -> Event:
    if line.state is not None:
        return _EVENTS[line.state]
    if chunk.rules.confirmed:
        return Event.IMPORT_CONFIRMED
    return Event.SUBSCRIBE_SINGLE if chunk.digests[line.digest].optin == "single" else Event.SUBSCRIBE


def _new(chunk: _Chunk, line: SubscriberLine, event: Event) -> Subscription:
    state = after(None, event)
    return Subscription(
        id=0,
        subscriber_id=0,
        digest=line.digest,
        state=state,
        frequency=line.frequency or chunk.digests[line.digest].frequency,
        topics=dict.fromkeys(line.topics or (EVERYTHING,), 0),
        cursor=0,
        first=True,
        carry=(),
        created_at=chunk.now,
        confirmed_at=chunk.now if state is SubscriptionState.CONFIRMED else None,
        unsubscribed_at=chunk.now if state is SubscriptionState.UNSUBSCRIBED else None,
    )


def _write(session: Session, chunk: _Chunk, result: Imported) -> None:
    ids = _write_people(session, chunk)
    subscription_ids = _write_memberships(session, chunk, ids)
    events: list[tuple[int, str, int]] = []
    unconfirmed: list[int] = []
    for place, membership in chunk.memberships.items():
        number = subscription_ids[place]
        for event, line in membership.events:
            events.append((number, event.value, line))
        if membership.stored is None and membership.wanted.state is SubscriptionState.UNCONFIRMED:
            unconfirmed.append(number)
    subscriber_batches.insert_import_events(session, events, file=chunk.rules.origin, via=VIA, now=chunk.now)
    owed_confirmations.queue_many(session, unconfirmed, chunk.now)
    result.owed += len(unconfirmed)


def _write_people(session: Session, chunk: _Chunk) -> dict[str, int]:
    ids: dict[str, int] = {}
    new: list[subscriber_batches.NewSubscriber] = []
    changed: list[Subscriber] = []
    for key, person in chunk.people.items():
        if person.stored is None:
            new.append(subscriber_batches.NewSubscriber(person.wanted, person.email_hash, person.domain))
            continue
        ids[key] = person.stored.id
        if person.wanted is not person.stored:
            changed.append(person.wanted)
    subscriber_batches.update_subscribers(session, changed)
    return ids | subscriber_batches.insert_subscribers(session, new, now=chunk.now)


def _write_memberships(session: Session, chunk: _Chunk, ids: Mapping[str, int]) -> dict[tuple[str, str], int]:
    new: list[tuple[int, Subscription]] = []
    changed: list[Subscription] = []
    moved_on: list[int] = []
    for (key, _), membership in chunk.memberships.items():
        wanted, stored = membership.wanted, membership.stored
        if stored is None:
            new.append((ids[key], wanted))
            continue
        if wanted.state is not stored.state:
            subscribers.move_subscription(session, stored, wanted)
            moved_on.append(stored.id)
        if wanted.frequency is not stored.frequency or wanted.topics != stored.topics:
            changed.append(wanted)
    subscriber_batches.update_subscriptions(session, changed)
    if moved_on:
        # Confirmed or ended by this file: a confirmation mail that is still waiting has lost its point.
        owed_confirmations.cancel(session, moved_on, chunk.now)
    by_subscriber = subscriber_batches.insert_subscriptions(session, new, now=chunk.now)
    return {
        (key, digest): by_subscriber[ids[key], digest] if membership.stored is None else membership.stored.id
        for (key, digest), membership in chunk.memberships.items()
    }
