"""Confirmation mails as they come to be owed, a few a day for each address, and as they are called off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlmodel import Session

from syndicate.model import DeliveryState
from syndicate.store.columns import UtcDateTime
from syndicate.store.compiled import Compiled, moment

# List bombing: a stranger may type any address into a form, again and again (email.md R20). [signup] mails_per_day.
from syndicate.store.confirmations import WAITING, changes, confirmations
from syndicate.store.statements import insert_many
from syndicate.store.subscribers import subscribers, subscriptions

MOST_IN_A_DAY = 3
_DAY = timedelta(days=1)


def queue(session: Session, subscription_id: int, now: datetime, most: int = MOST_IN_A_DAY) -> bool:
    """Owe a confirmation mail, in the transaction that makes the subscription unconfirmed.

    False, and nothing written, when one is still on its way or its address had ``most`` of them in the last 24 hours.
    """
    at = moment(session, now)
    values = {"subscription_id": subscription_id, "now": at, "since": moment(session, now - _DAY), "most": most}
    return _QUEUE.run(session, values) == 1


def queue_change(session: Session, subscription_id: int, change_id: int, now: datetime, most: int) -> bool:
    """Owe a mail that asks a new address for its confirmation; False when that address had enough of them."""
    key = select(changes.c.email_key).where(changes.c.id == change_id).scalar_subquery()
    values = _fresh(now) | {"subscription_id": subscription_id, "address_change_id": change_id}
    row = [literal(value, confirmations.c[name].type) for name, value in values.items()]
    wanted = _had(key, literal(now - _DAY, UtcDateTime())) < most
    statement = insert(confirmations).from_select(list(values), select(*row).where(wanted))
    return session.connection().execute(statement).rowcount == 1


def queue_notice(session: Session, subscription_id: int, change_id: int, now: datetime) -> None:
    """Owe the mail that tells an old address of its change, with the way back (``add_way_back``). Nothing limits it."""
    values = _fresh(now) | {"address_change_id": change_id}
    session.connection().execute(insert(confirmations).values(subscription_id=subscription_id, **values))


def _had(email_key: Any, since: Any) -> ColumnElement[int]:
    """How many such mails an address had since a time."""
    recent = and_(confirmations.c.created_at > since, confirmations.c.state != DeliveryState.CANCELLED.value)
    own = (
        select(func.count())
        .select_from(subscribers)
        .join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id)
        .join(confirmations, confirmations.c.subscription_id == subscriptions.c.id)
        .where(subscribers.c.email_key == email_key, confirmations.c.address_change_id.is_(None), recent)
    )
    asked = (
        select(func.count())
        .select_from(changes)
        .join(confirmations, confirmations.c.address_change_id == changes.c.id)
        .where(changes.c.email_key == email_key, changes.c.created_at > since, recent)
    )
    return own.scalar_subquery() + asked.scalar_subquery()


def _queue(_dialect: str) -> Any:
    number = bindparam("subscription_id", type_=Integer())
    now, since = bindparam("now", type_=UtcDateTime()), bindparam("since", type_=UtcDateTime())
    mine = subscribers.alias("mine")
    key = (
        select(mine.c.email_key)
        .join(subscriptions, subscriptions.c.subscriber_id == mine.c.id)
        .where(subscriptions.c.id == number)
        .scalar_subquery()
    )
    waiting = exists().where(
        confirmations.c.subscription_id == number,
        confirmations.c.address_change_id.is_(None),
        # Written out: lists are for SQLAlchemy to put in, which does not run this.
        confirmations.c.state.in_([literal_column(f"'{each}'") for each in (*WAITING, DeliveryState.SENDING.value)]),
    )
    wanted = and_(~waiting, _had(key, since) < bindparam("most", type_=Integer()))
    row = select(number, literal(DeliveryState.QUEUED.value), literal(0), now, now).where(wanted)
    return insert(confirmations).from_select(["subscription_id", "state", "attempts", "due_at", "created_at"], row)


_QUEUE = Compiled(_queue)


def queue_many(session: Session, subscription_ids: Sequence[int], now: datetime) -> None:
    """Owe one confirmation mail to each of these new subscriptions (an import)."""
    rows = [(number,) for number in subscription_ids]
    insert_many(session, confirmations, ("subscription_id",), rows, _fresh(now))


def _fresh(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.QUEUED.value, "attempts": 0, "due_at": now, "created_at": now}


def cancel(session: Session, subscription_ids: Sequence[int], now: datetime) -> int:
    """Cancel what is not yet on the wire: the subscription was confirmed or ended meanwhile. Returns the number."""
    statement = (
        update(confirmations)
        .where(
            confirmations.c.subscription_id.in_(subscription_ids),
            confirmations.c.address_change_id.is_(None),
            confirmations.c.state.in_(WAITING),
        )
        .values(state=DeliveryState.CANCELLED.value, finished_at=now)
    )
    return int(session.connection().execute(statement).rowcount)
