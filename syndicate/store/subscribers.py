"""Subscribers, their subscriptions and the proof of consent: found, changed, listed, erased; one at a time.

Added: ``newcomers.py``. Many at once: ``subscriber_batches.py``. What may follow what: ``core/consent.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, delete, func, insert, select, update
from sqlmodel import Session, SQLModel, col

from syndicate.core.addresses import name_key
from syndicate.core.links import PROBES
from syndicate.model import DeliveryState, Frequency, Subscriber, Subscription, SubscriptionState, WebhookEvent
from syndicate.store.articles import highest_seq
from syndicate.store.attempts import forget_words
from syndicate.store.columns import canonical_json
from syndicate.store.compiled import Compiled, moment, new_row
from syndicate.store.due import FOLLOWS
from syndicate.store.outbox import emit, wanted
from syndicate.store.tables import ConsentEventRow, DeliveryRow, IssueRow, SubscriberRow, SubscriptionRow

subscribers = SQLModel.metadata.tables[str(SubscriberRow.__tablename__)]
subscriptions = SQLModel.metadata.tables[str(SubscriptionRow.__tablename__)]
consent_events = SQLModel.metadata.tables[str(ConsentEventRow.__tablename__)]
_SUBSCRIBED, _CONFIRMED, _LEFT = WebhookEvent.SUBSCRIBED, WebhookEvent.CONFIRMED, WebhookEvent.UNSUBSCRIBED
# By the events of ``core/consent.py``. A complaint itself is told where the report is read.
_TOLD = {
    "subscribe": (_SUBSCRIBED,),
    "subscribe_single": (_SUBSCRIBED, _CONFIRMED),
    "confirm": (_CONFIRMED,),
    "operator_confirmed": (_SUBSCRIBED, _CONFIRMED),
    "unsubscribe": (_LEFT,),
    "undo": (_CONFIRMED,),
    "complaint": (_LEFT,),
}
_OPEN = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One line of the proof of consent."""

    event: str
    at: datetime
    via: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One delivery as its receiver may see it. ``due_at``: its next try, if it is queued or deferred."""

    id: int
    issue_id: int
    digest: str
    period: str
    subject: str
    state: str
    reason: str | None
    code: int | None
    reply: str | None
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None


def find_subscriber(session: Session, email_key: str) -> Subscriber | None:
    """The subscriber with this compared form of an address."""
    row = session.connection().execute(select(subscribers).where(subscribers.c.email_key == email_key)).one_or_none()
    return None if row is None else to_subscriber(row)


def subscriber_by_id(session: Session, subscriber_id: int) -> Subscriber | None:
    """The subscriber of that number."""
    row = session.connection().execute(select(subscribers).where(subscribers.c.id == subscriber_id)).one_or_none()
    return None if row is None else to_subscriber(row)


def hash_and_domain(session: Session, subscriber_id: int) -> tuple[str, str] | None:
    """What suppressions are compared with: the keyed hash of a subscriber's address, and its domain."""
    query = select(subscribers.c.email_hash, subscribers.c.domain).where(subscribers.c.id == subscriber_id)
    row = session.connection().execute(query).one_or_none()
    return None if row is None else (row.email_hash, row.domain)


def update_person(session: Session, subscriber_id: int, changes: Mapping[str, str | None]) -> None:
    """Set name, language or timezone."""
    if changes:
        values = dict(changes)
        if "name" in changes:
            values["name_key"] = name_key(changes["name"] or "")
        session.connection().execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(values))


def subscription_by_id(session: Session, subscription_id: int) -> Subscription | None:
    """The subscription that a link names; None when its subscriber was erased, and for what no id can be."""
    if subscription_id in PROBES:
        return None
    row = session.connection().execute(_subscription(subscriptions.c.id == subscription_id)).one_or_none()
    return None if row is None else to_subscription(row)


def subscription_to(session: Session, subscriber_id: int, digest: str) -> Subscription | None:
    """A subscriber's subscription to a digest."""
    condition = (subscriptions.c.subscriber_id == subscriber_id) & (subscriptions.c.digest == digest)
    row = session.connection().execute(_subscription(condition)).one_or_none()
    return None if row is None else to_subscription(row)


def subscriptions_of(session: Session, subscriber_ids: Sequence[int]) -> dict[int, list[Subscription]]:
    """The subscriptions of some subscribers, by subscriber, in the order they were made."""
    found: dict[int, list[Subscription]] = {subscriber_id: [] for subscriber_id in subscriber_ids}
    query = _subscription(subscriptions.c.subscriber_id.in_(subscriber_ids)).order_by(subscriptions.c.id)
    for row in session.connection().execute(query):
        found[row.subscriber_id].append(to_subscription(row))
    return found


def count_as_before(session: Session, seq: int) -> None:
    """Let articles up to ``seq`` count as published before all who wait for their first issue joined."""
    session.connection().execute(
        update(subscriptions).where(subscriptions.c.first, subscriptions.c.joined_seq < seq).values(joined_seq=seq)
    )


def move_subscription(session: Session, before: Subscription, after: Subscription) -> bool:
    """Write what a transition changed, if the subscription still is in the state it was read in. Says whether it was.

    Writes what differs and nothing else: cursor and carry may move at the same time, when an issue is frozen.
    """
    values: dict[str, Any] = {"state": after.state.value}
    if after.first != before.first:
        values["first"] = after.first
    if after.carry != before.carry:
        values["carry"] = list(after.carry)
    if after.confirmed_at != before.confirmed_at:
        values["confirmed_at"] = after.confirmed_at
    joins = after.confirmed_at != before.confirmed_at or after.first != before.first
    if joins and after.first and after.state is SubscriptionState.CONFIRMED:
        # Who joins or comes back: lookback bounds what is there now, and nothing that comes later.
        values["joined_seq"] = highest_seq(session)
    if after.unsubscribed_at != before.unsubscribed_at:
        values["unsubscribed_at"] = after.unsubscribed_at
    statement = (
        update(subscriptions)
        .where(subscriptions.c.id == before.id, subscriptions.c.state == before.state.value)
        .values(values)
    )
    return session.connection().execute(statement).rowcount == 1


def set_choice(
    session: Session,
    subscription_id: int,
    *,
    frequency: Frequency | None = None,
    topics: Mapping[str, int] | None = None,
) -> None:
    """Set the frequency and the topics of a subscription; None leaves one as it is."""
    values: dict[str, Any] = {}
    if frequency is not None:
        values["frequency"] = frequency.value
    if topics is not None:
        values["topics"] = dict(topics)
    if values:
        session.connection().execute(update(subscriptions).where(subscriptions.c.id == subscription_id).values(values))


def record_event(
    session: Session, subscription_id: int, event: str, *, via: str, now: datetime, detail: Mapping[str, Any]
) -> None:
    """Write one line of the proof of consent."""
    row = {"subscription_id": subscription_id, "event": event, "via": via}
    _EVENT.run(session, row | {"at": moment(session, now), "detail": canonical_json(dict(detail))})
    _tell(session, subscription_id, event, via, now)


_PROOF = ("subscription_id", "event", "at", "via", "detail")
_EVENT = Compiled(lambda _dialect: insert(consent_events).values(new_row(consent_events, _PROOF)))


def _tell(session: Session, subscription_id: int, event: str, via: str, now: datetime) -> None:
    """Owe webhooks the news, if one wants it; what an import brings goes another way and is not told."""
    told = [each for each in _TOLD.get(event, ()) if wanted(session, each)]
    subscription = subscription_by_id(session, subscription_id) if told else None
    if subscription is None:
        return
    payload = {
        "subscriber_id": subscription.subscriber_id,
        "digest": subscription.digest,
        "state": subscription.state.value,
        "via": via,
    }
    for each in told:
        emit(session, each, payload, now, subscriber_id=subscription.subscriber_id)


def consent_of(session: Session, subscription_id: int) -> list[ConsentEvent]:
    """The proof of consent of a subscription, oldest first."""
    table = consent_events.c
    query = (
        select(table.event, table.at, table.via, table.detail)
        .where(table.subscription_id == subscription_id)
        .order_by(table.id)
    )
    return [ConsentEvent(**row._asdict()) for row in session.connection().execute(query)]


def list_subscribers(
    session: Session, *, limit: int, before: int | None = None, digest: str | None = None
) -> list[Subscriber]:
    """Subscribers, newest first; ``before`` is the id that the page before ended with, ``digest`` keeps its readers."""
    query = select(subscribers).order_by(subscribers.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(subscribers.c.id < before)
    if digest is not None:
        readers = select(subscriptions.c.subscriber_id).where(subscriptions.c.digest == digest)
        query = query.where(subscribers.c.id.in_(readers))
    return [to_subscriber(row) for row in session.connection().execute(query)]


def count_subscribers(session: Session) -> int:
    """How many subscribers there are, in whatever state."""
    return int(session.connection().execute(select(func.count()).select_from(subscribers)).scalar_one())


def receipts(session: Session, subscriber_id: int) -> Iterator[Receipt]:
    """What was sent to a subscriber, newest first."""
    query: Any = (
        select(
            col(DeliveryRow.id),
            col(DeliveryRow.issue_id),
            col(IssueRow.digest),
            col(IssueRow.period),
            col(IssueRow.subject),
            col(DeliveryRow.state),
            col(DeliveryRow.reason),
            col(DeliveryRow.reply_code).label("code"),
            col(DeliveryRow.reply),
            col(DeliveryRow.attempts),
            case(
                (and_(col(DeliveryRow.state).in_(_OPEN), col(DeliveryRow.due_at) < FOLLOWS), col(DeliveryRow.due_at))
            ).label("due_at"),
            col(DeliveryRow.finished_at),
        )
        .join(IssueRow, col(IssueRow.id) == col(DeliveryRow.issue_id))
        .where(col(DeliveryRow.subscriber_id) == subscriber_id)
        .order_by(col(DeliveryRow.id).desc())
    )
    for row in session.connection().execute(query):
        yield Receipt(**row._asdict())


def erase_subscriber(session: Session, subscriber_id: int) -> bool:
    """Remove a subscriber with all subscriptions and their proof. Says whether there was one.

    Deliveries stay on the ledger without a name: the server's answers are blanked, since they often repeat the address.
    """
    forget_words(session, subscriber_id)
    session.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.subscriber_id) == subscriber_id)
        .values(reply=None)
        .execution_options(synchronize_session=False)
    )
    return session.connection().execute(delete(subscribers).where(subscribers.c.id == subscriber_id)).rowcount == 1


def _subscription(condition: Any) -> Select[Any]:
    return select(subscriptions).where(condition)


def to_subscriber(row: Row[Any]) -> Subscriber:
    """A row of the table as a value."""
    return Subscriber(
        id=row.id,
        email=row.email,
        email_key=row.email_key,
        name=row.name,
        language=row.language,
        timezone=row.timezone,
        created_at=row.created_at,
    )


def to_subscription(row: Row[Any]) -> Subscription:
    """A row of the table as a value."""
    return Subscription(
        id=row.id,
        subscriber_id=row.subscriber_id,
        digest=row.digest,
        state=SubscriptionState(row.state),
        frequency=Frequency(row.frequency),
        topics=row.topics,
        cursor=row.cursor,
        first=row.first,
        joined_seq=row.joined_seq,
        carry=tuple(row.carry),
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        unsubscribed_at=row.unsubscribed_at,
        paused_until=row.paused_until,
    )
