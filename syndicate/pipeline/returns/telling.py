"""What a provider told us by a webhook that was found genuine, applied like a message that came back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.addresses import parse_address
from syndicate.core.bounces.tokens import delivery_of, mentioned_in
from syndicate.core.hooks.told import Told
from syndicate.core.replies import tidy
from syndicate.errors import AddressError
from syndicate.model import Keyring
from syndicate.pipeline.returns.applying import Fate, Rules, Taken, apply
from syndicate.store import subscribers
from syndicate.store.bounces import newest_sent, sent_together
from syndicate.store.engine import Database
from syndicate.store.limits import Limits

#: Where no token came along (Postmark gives messages an id of its own), the reader's last issue within this is meant.
MEANT_WITHIN: Final = timedelta(days=14)


def take_told(
    database: Database,
    settings: Settings,
    keyring: Keyring,
    told: Told,
    *,
    now: datetime,
    limits: Limits | None = None,
) -> Taken:
    """Apply one event, in one transaction; again changes nothing. Raises StoreError.

    A genuine token says whose delivery it is; without one the provider's word for the address counts, if something was
    sent there. Whoever ``leaves`` is in ``subscriber_id``.
    """
    rules = Rules.of(settings, limits)
    with database.write() as session:
        delivery = delivery_of(mentioned_in(told.names), keyring, now) or _by_address(session, told, now)
        if delivery is None:
            return Taken(fate=Fate.FOREIGN)
        if told.leaves:
            sent = sent_together(session, *delivery)
            fate = Fate.UNSUBSCRIBE if sent else Fate.NOT_SENT
            return Taken(fate=fate, issue_id=delivery[0], subscriber_id=delivery[1] if sent else None)
        said = replace(told.said, text=tidy(told.said.text))
        return apply(session, delivery, (said,), _evidence(told), rules, now)


def _by_address(session: Session, told: Told, now: datetime) -> tuple[int, int] | None:
    if told.said.recipient is None:
        return None
    try:
        key = parse_address(told.said.recipient).key
    except AddressError:
        return None
    person = subscribers.find_subscriber(session, key)
    issue_id = newest_sent(session, person.id, now - MEANT_WITHIN) if person is not None else None
    return (issue_id, person.id) if person is not None and issue_id is not None else None


def _evidence(told: Told) -> bytes:
    return json.dumps(asdict(told), sort_keys=True, default=str).encode()
