"""Confirm a subscription by the link of the confirmation mail (the button behind it: a GET never comes here)."""

from __future__ import annotations

from datetime import datetime

from syndicate.core.consent import Event, moved
from syndicate.core.links import Purpose, verify
from syndicate.errors import StoreBusyError, UnknownNameError
from syndicate.model import Keyring, Subscription
from syndicate.store import owed_confirmations, subscribers
from syndicate.store.engine import Database


def confirm(
    database: Database,
    keyring: Keyring,
    token: str,
    *,
    now: datetime,
    via: str = "page",
    network: str | None = None,
) -> Subscription:
    """Confirm; a second time changes nothing. Returns the subscription as it stands.

    ``network``: that of the client, for the proof of consent, if it is to be kept.

    Raises TokenError, ExpiredTokenError, UnknownNameError (erased since), TransitionError (unsubscribed since: an old
    link never brings anybody back).
    """
    subscription_id = verify(keyring, Purpose.CONFIRM, token, now).subscription_id
    with database.write() as session:
        before = subscribers.subscription_by_id(session, subscription_id)
        if before is None:
            raise UnknownNameError("this subscription does not exist any more")
        after = moved(before, Event.CONFIRM, now)
        if after is before:
            return before
        if not subscribers.move_subscription(session, before, after):
            raise StoreBusyError("the subscription was changed at the same time; try again")
        owed_confirmations.cancel(session, [before.id], now)
        subscribers.record_event(
            session, before.id, Event.CONFIRM, via=via, now=now, detail={"network": network} if network else {}
        )
        return after
