"""One message that came back. What it says is read in ``core/bounces``.

It counts only with a genuine token of a delivery that was sent: who writes to the return path can neither suppress a
reader nor fill the ledger.
"""

from __future__ import annotations

from datetime import datetime

from syndicate.config import Settings
from syndicate.core.bounces.mime import normalised
from syndicate.core.bounces.reading import read_report
from syndicate.core.bounces.tokens import delivery_of, unsubscribe_token
from syndicate.model import Keyring
from syndicate.pipeline.returns.applying import Fate, Rules, Taken, apply
from syndicate.store.engine import Database
from syndicate.store.limits import Limits


def take_return(
    database: Database,
    settings: Settings,
    keyring: Keyring,
    data: bytes,
    *,
    now: datetime,
    limits: Limits | None = None,
) -> Taken:
    """Apply one message, in one transaction; again changes nothing. Raises StoreError."""
    report = read_report(data)
    if report.unsubscribe:
        token = unsubscribe_token(report.mentions, keyring, now)
        return Taken(fate=Fate.FOREIGN) if token is None else Taken(fate=Fate.UNSUBSCRIBE, token=token)
    delivery = delivery_of(report.mentions, keyring, now)
    if delivery is None:
        return Taken(fate=Fate.FOREIGN)
    if not report.results:
        return Taken(fate=Fate.UNCLEAR, issue_id=delivery[0])
    rules = Rules.of(settings, limits)
    with database.write() as session:
        return apply(session, delivery, report.results, normalised(data), rules, now)
