"""Delivering one batch: claim it, send what is due in it for a while, hand it on. What the workers' jobs call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlmodel import Session

from syndicate.errors import SyndicateError
from syndicate.model import Envelope
from syndicate.pipeline.deliver.delivering import DeliverResult, enter, send_due
from syndicate.pipeline.deliver.parking import ParkingSender
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.request import Holder
from syndicate.pipeline.deliver.settling import Rules
from syndicate.store.batches import claim
from syndicate.store.deliveries import Task
from syndicate.store.engine import Database
from syndicate.store.holders import remove_holder
from syndicate.store.issues import finish_issues
from syndicate.store.jobs import hand_on
from syndicate.store.limits import Limits
from syndicate.store.seats import keep_seats

# After so long a batch goes to the end of the queue: a slow relay must not keep a small issue, or what a dead worker
# left, waiting behind a large batch.
TURN = 3.0
# Rows deferred with jitter come due one by one; so long at least a batch waits for more of them.
_GATHER = timedelta(seconds=1)


class TurnOverError(SyndicateError):
    """A batch had its turn; the rest of it is sent when its next turn comes. No trouble of anybody's."""


def deliver_batch(
    database: Database,
    senders: Sequence[Sender],
    envelope: Callable[[Task], Envelope],
    batch_id: int,
    *,
    holder: Holder,
    rules: Rules,
    limits: Limits,
    stop: threading.Event,
    may_take: Callable[[], None],
    turn: float = TURN,
    before: str | None = None,
    log: Callable[[str], None],
) -> DeliverResult | None:
    """Send what is due of a batch, for ``turn`` seconds at most, and see to it that somebody goes on with the rest.

    None when there is nothing to do: it is finished, its issue does not run, or a living process holds it. What ended
    it too early is in ``stopped_by`` of the result. Raises StoreError; what was marked then stands in doubt.

    The connections that ``ParkingSender`` keeps have their seats by the holder, which then stays registered: the caller
    is to show its life, and names it as ``before`` with the next batch.
    """
    result = DeliverResult(taken_over=enter(database, holder, rules, before=before))
    with database.write() as session:
        batch = claim(session, batch_id, holder=holder.name, now=rules.clock())
        if batch is None:
            _leave(session, senders, holder)
            return None
    began = time.monotonic()

    def may_go_on() -> None:
        may_take()
        if time.monotonic() - began > turn:
            raise TurnOverError("its turn is over")

    try:
        send_due(
            database,
            senders,
            envelope,
            result,
            holder=holder,
            rules=rules,
            limits=limits,
            stop=stop,
            may_take=may_go_on,
            issues=[batch.issue_id],
            batch=batch,
            log=log,
        )
    finally:
        now = rules.clock()
        with database.write() as session:
            result.finished = finish_issues(session, now)
            hand_on(session, batch, now, not_before=now + _GATHER)
            _leave(session, senders, holder)
    if isinstance(result.stopped_by, TurnOverError):
        result.stopped_by = None
    return result


def _leave(session: Session, senders: Sequence[Sender], holder: Holder) -> None:
    still_open = {sender.label: sender.open for sender in senders if isinstance(sender, ParkingSender)}
    if any(still_open.values()):
        keep_seats(session, holder.name, still_open)
    else:
        remove_holder(session, holder.name)
