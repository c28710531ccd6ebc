"""Confirmation mails of double opt-in on their way, each a row until its outcome; as the ledger does it.

A row is ``sending`` durably before its data leaves, and an outcome is written only by the process that holds the row.
How they come to be owed: ``owed_confirmations.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlmodel import Session, SQLModel

from syndicate.model import DeliveryState, SubscriptionState
from syndicate.store.holders import not_alive
from syndicate.store.subscribers import subscribers, subscriptions
from syndicate.store.suppressions import suppressed_domains
from syndicate.store.tables import AddressChangeRow, ConfirmationRow, SuppressionRow

# List bombing: a stranger may type any address into a form, again and again (email.md R20). [signup] mails_per_day.
WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)

confirmations = SQLModel.metadata.tables[str(ConfirmationRow.__tablename__)]
suppressions = SQLModel.metadata.tables[str(SuppressionRow.__tablename__)]
changes = SQLModel.metadata.tables[str(AddressChangeRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueConfirmation:
    """A confirmation mail to be sent, with all it needs: no name, since it holds no text that a stranger typed (R20).

    ``attempts`` counts those before; ``address_change_id``: it asks to confirm a new address, and ``email`` is that.
    ``moved_to``: it tells ``email`` that the subscriber has this address now, and that change takes it back.
    """

    id: int
    subscription_id: int
    digest: str
    email: str
    language: str | None
    attempts: int
    created_at: datetime
    address_change_id: int | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastConfirmation:
    """The newest confirmation mail of a subscription, as it stands. ``next_try_at`` while it waits."""

    state: DeliveryState
    attempts: int
    reply: str | None
    created_at: datetime
    finished_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationsWaiting:
    """Confirmation mails that are owed, by state, and when the next one is tried."""

    queued: int
    deferred: int
    sending: int
    next_at: datetime | None


def due(session: Session, now: datetime, limit: int) -> list[DueConfirmation]:
    """Confirmation mails to be sent now, oldest first, at most ``limit``. Suppressed addresses are left out and ended.

    Must run in a writing transaction.
    """
    connection = session.connection()
    query = (
        select(
            confirmations.c.id,
            confirmations.c.subscription_id,
            confirmations.c.attempts,
            confirmations.c.created_at,
            confirmations.c.address_change_id,
            subscriptions.c.digest,
            func.coalesce(changes.c.email, subscribers.c.email).label("email"),
            case((changes.c.reverts.is_not(None), subscribers.c.email)).label("moved_to"),
            subscribers.c.language,
            func.coalesce(changes.c.domain, subscribers.c.domain).label("domain"),
            suppressions.c.reason,
        )
        .join(subscriptions, subscriptions.c.id == confirmations.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(changes, changes.c.id == confirmations.c.address_change_id)
        .outerjoin(
            suppressions,
            (suppressions.c.scope == "address")
            & (suppressions.c.value == func.coalesce(changes.c.email_hash, subscribers.c.email_hash)),
        )
        .where(confirmations.c.state.in_(WAITING), confirmations.c.due_at <= now, _wanted())
        .order_by(confirmations.c.due_at, confirmations.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    domains = suppressed_domains(session, {row.domain for row in rows})
    refused = {row.id: row.reason or domains[row.domain] for row in rows if row.reason or row.domain in domains}
    for number, reason in refused.items():
        connection.execute(
            update(confirmations)
            .where(confirmations.c.id == number, confirmations.c.state.in_(WAITING))
            .values(state=DeliveryState.SUPPRESSED.value, reply=reason, finished_at=now)
        )
    return [
        DueConfirmation(
            id=row.id,
            subscription_id=row.subscription_id,
            digest=row.digest,
            email=row.email,
            language=row.language,
            attempts=row.attempts,
            created_at=row.created_at,
            address_change_id=row.address_change_id,
            moved_to=row.moved_to,
        )
        for row in rows
        if row.id not in refused
    ]


def put_off(session: Session, confirmation_id: int, due_at: datetime) -> None:
    """Have one wait for its turn: a limit holds it back. No attempt is counted."""
    session.connection().execute(
        update(confirmations)
        .where(confirmations.c.id == confirmation_id, confirmations.c.state.in_(WAITING))
        .values(due_at=due_at)
    )


def mark_sending(session: Session, confirmation_id: int, holder: str, now: datetime) -> bool:
    """Take one up for this holder, counting the attempt; False when it is no longer due or no longer wanted.

    Must be committed before the data leaves.
    """
    wanted = exists().where(subscriptions.c.id == confirmations.c.subscription_id, _wanted())
    statement = (
        update(confirmations)
        .where(
            confirmations.c.id == confirmation_id,
            confirmations.c.state.in_(WAITING),
            confirmations.c.due_at <= now,
            wanted,
        )
        .values(
            state=DeliveryState.SENDING.value,
            holder=holder,
            marked_at=now,
            attempts=confirmations.c.attempts + 1,
        )
    )
    return session.connection().execute(statement).rowcount == 1


def record(
    session: Session,
    confirmation_id: int,
    state: DeliveryState,
    reply: str | None,
    *,
    holder: str,
    now: datetime,
    due_at: datetime | None = None,
) -> bool:
    """Write the outcome of one that this holder marked; ``due_at`` is the next attempt of a deferred one.

    False when another process took it over: then this one must stop.
    """
    values: dict[str, Any] = {"state": state.value, "reply": reply}
    if state is DeliveryState.DEFERRED:
        if due_at is None:
            raise ValueError("a deferred confirmation needs the time of its next attempt")
        values["due_at"] = due_at
    else:
        values["finished_at"] = now
    statement = (
        update(confirmations)
        .where(
            confirmations.c.id == confirmation_id,
            confirmations.c.state == DeliveryState.SENDING.value,
            confirmations.c.holder == holder,
        )
        .values(values)
    )
    return session.connection().execute(statement).rowcount == 1


def release(session: Session, confirmation_id: int, *, holder: str) -> bool:
    """Put one back whose data did not begin to leave; the attempt does not count."""
    statement = (
        update(confirmations)
        .where(
            confirmations.c.id == confirmation_id,
            confirmations.c.state == DeliveryState.SENDING.value,
            confirmations.c.holder == holder,
        )
        .values(state=DeliveryState.QUEUED.value, holder=None, marked_at=None, attempts=confirmations.c.attempts - 1)
    )
    return session.connection().execute(statement).rowcount == 1


def take_over(session: Session, *, me: str, alone: bool, now: datetime) -> int:
    """Queue again what processes that live no more had marked; ``alone``: no process but ``me`` can.

    Returns the number.

    Never in doubt: a second confirmation mail does no harm, and one that never came loses a reader.
    """
    theirs = not_alive(session, confirmations.c.holder, me=me, alone=alone, now=now)
    statement = (
        update(confirmations)
        .where(confirmations.c.state == DeliveryState.SENDING.value, theirs)
        .values(state=DeliveryState.QUEUED.value, holder=None, marked_at=None, due_at=now)
    )
    return int(session.connection().execute(statement).rowcount)


def next_due(session: Session) -> datetime | None:
    """When the earliest waiting confirmation mail is due that is still wanted."""
    query = (
        select(func.min(confirmations.c.due_at))
        .join(subscriptions, subscriptions.c.id == confirmations.c.subscription_id)
        .where(confirmations.c.state.in_(WAITING), _wanted())
    )
    found: datetime | None = session.connection().execute(query).scalar_one()
    return found


def waiting(session: Session) -> ConfirmationsWaiting:
    """How many confirmation mails are owed still."""
    query = select(confirmations.c.state, func.count()).where(
        confirmations.c.state.in_((*WAITING, DeliveryState.SENDING.value))
    )
    rows = session.connection().execute(query.group_by(confirmations.c.state))
    counts: dict[str, int] = {row.state: row[1] for row in rows}
    return ConfirmationsWaiting(
        queued=counts.get(DeliveryState.QUEUED.value, 0),
        deferred=counts.get(DeliveryState.DEFERRED.value, 0),
        sending=counts.get(DeliveryState.SENDING.value, 0),
        next_at=next_due(session),
    )


def last_of(session: Session, subscription_ids: Sequence[int]) -> dict[int, LastConfirmation]:
    """The newest confirmation mail of each of these subscriptions that ever was owed one."""
    query = (
        select(confirmations)
        .where(confirmations.c.subscription_id.in_(subscription_ids), confirmations.c.address_change_id.is_(None))
        .order_by(confirmations.c.created_at, confirmations.c.id)
    )
    return {
        row.subscription_id: LastConfirmation(
            state=DeliveryState(row.state),
            attempts=row.attempts,
            reply=row.reply,
            created_at=row.created_at,
            finished_at=row.finished_at,
            next_try_at=row.due_at if row.state in WAITING else None,
        )
        for row in session.connection().execute(query)
    }


def _wanted() -> ColumnElement[bool]:
    """Whether the mail is still of use, of rows of confirmations and subscriptions."""
    pending = exists().where(changes.c.id == confirmations.c.address_change_id, changes.c.done_at.is_(None))
    of_subscription = and_(
        confirmations.c.address_change_id.is_(None),
        subscriptions.c.state == SubscriptionState.UNCONFIRMED.value,
    )
    return or_(of_subscription, pending.correlate(confirmations))
