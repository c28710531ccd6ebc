"""Sends the confirmation mails that are owed (double opt-in), one after the other, each recorded like a delivery."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime

from syndicate.core.retry import next_attempt
from syndicate.errors import AddressError, HeaderError, RelayError, SyndicateError, UnknownNameError
from syndicate.model import DeliveryState, Envelope, Outcome, OutcomeKind
from syndicate.pipeline.deliver.delivering import DeliverResult
from syndicate.pipeline.deliver.lease import Lease
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.pipeline.deliver.request import Holder, LostHoldError
from syndicate.pipeline.deliver.settling import Rules
from syndicate.store import confirmations
from syndicate.store.confirmations import DueConfirmation
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder

_AT_ONCE = 100


def send_confirmations(
    database: Database,
    sender: Sender,
    envelope: Callable[[DueConfirmation, datetime], Envelope],
    *,
    holder: Holder,
    rules: Rules,
    stop: threading.Event,
    may_take: Callable[[], None],
    log: Callable[[str], None],
) -> DeliverResult:
    """Send what is due. A relay that does not work and a full disk end it in order: ``stopped_by`` says so."""
    result = DeliverResult()
    clock = rules.clock
    now = clock()
    with database.write() as session:
        confirmations.take_over(session, me=holder.name, alone=holder.alone, now=now)
        register_holder(session, holder.name, host=holder.host, pid=holder.pid, now=now)
    lease = Lease(database, holder, clock=clock, log=log)
    mailer = _Mailer(
        database, sender, envelope, holder=holder, rules=rules, lease=lease, log=log, outcomes=result.outcomes
    )
    lease.start()
    try:
        while not stop.is_set():
            may_take()
            with database.write() as session:
                found = confirmations.due(session, clock(), _AT_ONCE)
            if not found:
                break
            for confirmation in found:
                if stop.is_set():
                    break
                mailer.send(confirmation)
    except SyndicateError as error:
        result.stopped_by = error
    finally:
        mailer.close()
        lease.end()
        with database.write() as session:
            remove_holder(session, holder.name)
    return result


class _Mailer:
    def __init__(
        self,
        database: Database,
        sender: Sender,
        envelope: Callable[[DueConfirmation, datetime], Envelope],
        *,
        holder: Holder,
        rules: Rules,
        lease: Lease,
        log: Callable[[str], None],
        outcomes: dict[DeliveryState, int],
    ) -> None:
        self._log = log
        self._outcomes = outcomes
        self._database = database
        self._sender = sender
        self._envelope = envelope
        self._holder = holder.name
        self._rules = rules
        self._lease = lease
        self._connection: Connection | None = None

    def send(self, confirmation: DueConfirmation) -> None:
        self._lease.require()
        now = self._rules.clock()
        with self._database.write() as session:
            if not confirmations.mark_sending(session, confirmation.id, self._holder, now):
                return
        try:
            outcome = self._attempt(confirmation, now)
        except RelayError:
            with self._database.write() as session:
                confirmations.release(session, confirmation.id, holder=self._holder)
            raise
        except Exception as error:  # noqa: BLE001 - one mail that cannot be made must not stop the others
            self._log(f"confirmation mail {confirmation.id} could not be made and is tried again later: {error}")
            outcome = Outcome(kind=OutcomeKind.DEFERRED, text=f"not made: {type(error).__name__}", relay="")
        self._record(confirmation, outcome)

    def _attempt(self, confirmation: DueConfirmation, now: datetime) -> Outcome:
        try:
            envelope = self._envelope(confirmation, now)
        except (AddressError, HeaderError, UnknownNameError) as error:
            # UnknownNameError: its digest is no longer configured.
            return Outcome(kind=OutcomeKind.REJECTED, text=str(error), relay=self._sender.label)
        if self._connection is None or not self._connection.usable:
            self.close()
            self._connection = self._sender.connect()
        return self._connection.send(envelope)

    def _record(self, confirmation: DueConfirmation, outcome: Outcome) -> None:
        now = self._rules.clock()
        state, due_at = DeliveryState.REJECTED, None
        if outcome.kind is OutcomeKind.ACCEPTED:
            state = DeliveryState.ACCEPTED
        elif outcome.kind is not OutcomeKind.REJECTED:
            # In doubt is tried again too: a second confirmation mail does no harm, one that never came loses a reader.
            due_at = next_attempt(
                self._rules.retry,
                attempts=confirmation.attempts + 1,
                first_queued_at=confirmation.created_at,
                now=now,
                jitter=random.random(),  # noqa: S311 - spreads retries
            )
            state = DeliveryState.REJECTED if due_at is None else DeliveryState.DEFERRED
        with self._database.write() as session:
            kept = confirmations.record(
                session, confirmation.id, state, outcome.text, holder=self._holder, now=now, due_at=due_at
            )
        if not kept:
            raise LostHoldError(
                f"confirmation mail {confirmation.id} was taken over by another process; this one stops"
            )
        self._outcomes[state] = self._outcomes.get(state, 0) + 1

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
