"""Sends the confirmation mails that are owed (double opt-in), each recorded like a delivery.

A few go side by side, so that a silent server holds up one of them and not the others. They keep to the limits of
digests and to ``max_conns``; which relay takes one is ``post_office.py``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from syndicate.core.retry import next_attempt
from syndicate.errors import AddressError, HeaderError, RelayError, SyndicateError, UnknownNameError
from syndicate.io.dialogue import drive
from syndicate.model import DeliveryState, Envelope, Outcome, OutcomeKind
from syndicate.pipeline.deliver.delivering import DeliverResult
from syndicate.pipeline.deliver.lease import Lease
from syndicate.pipeline.deliver.parking import NoSeatError
from syndicate.pipeline.deliver.post_office import PostOffice
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.pipeline.deliver.request import Holder, LostHoldError
from syndicate.pipeline.deliver.settling import Rules
from syndicate.store import confirmations
from syndicate.store.confirmations import DueConfirmation
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder
from syndicate.store.limits import Limits

#: So many go side by side at most.
LANES = 4
#: So long a server may take for each answer, in seconds: it is one mail, and others wait.
PATIENCE = 60.0
_AGAIN = 0.3


def send_confirmations(
    database: Database,
    senders: Sequence[Sender],
    envelope: Callable[[DueConfirmation, datetime], Envelope],
    *,
    holder: Holder,
    rules: Rules,
    limits: Limits,
    stop: threading.Event,
    may_take: Callable[[], None],
    log: Callable[[str], None],
) -> DeliverResult:
    """Send what is due, over the first of the relays that works and may take one now.

    Relays none of which works, and a full disk, end it in order: ``stopped_by`` says so. ``waits_until``: no relay may
    be given one before.
    """
    result = DeliverResult()
    now = rules.clock()
    with database.write() as session:
        confirmations.take_over(session, me=holder.name, alone=holder.alone, now=now)
        register_holder(session, holder.name, host=holder.host, pid=holder.pid, now=now, boot_id=holder.boot_id)
    lease = Lease(database, holder, clock=rules.clock, log=log)
    office = PostOffice(
        database, senders, limits, holder=holder, clock=rules.clock, lanes=LANES, may_take=may_take, log=log
    )
    mailer = _Mailer(database, office, envelope, holder=holder, rules=rules, lease=lease, stop=stop, log=log)
    lease.start()
    try:
        mailer.run()
    except SyndicateError as error:
        result.stopped_by = error
    finally:
        lease.end()
        with database.write() as session:
            remove_holder(session, holder.name)
    result.outcomes, result.waits_until = mailer.outcomes, office.waits_until
    return result


class _Mailer:
    def __init__(
        self,
        database: Database,
        office: PostOffice,
        envelope: Callable[[DueConfirmation, datetime], Envelope],
        *,
        holder: Holder,
        rules: Rules,
        lease: Lease,
        stop: threading.Event,
        log: Callable[[str], None],
    ) -> None:
        self._database = database
        self._office = office
        self._envelope = envelope
        self._holder = holder.name
        self._rules = rules
        self._lease = lease
        self._stop = stop
        self._log = log
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self.outcomes: dict[DeliveryState, int] = {}

    def run(self) -> None:
        """Send until nothing is due. Raises what ended it too early."""
        lanes = [threading.Thread(target=self._lane, name=f"confirming-{n}", daemon=True) for n in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        if self._failure is not None:
            raise self._failure

    def _lane(self) -> None:
        post = _Post()
        try:
            while not self._stop.is_set() and self._failure is None:
                self._lease.require()
                taken = self._office.take()
                if taken is None:
                    return
                if isinstance(taken, float):
                    self._stop.wait(taken)
                    continue
                self._send(post, *taken)
        except BaseException as error:  # noqa: BLE001 - raised again by run(), in the thread that called it
            with self._lock:
                self._failure = self._failure or error
        finally:
            post.close()

    def _send(self, post: _Post, confirmation: DueConfirmation, sender: Sender) -> None:
        now = self._rules.clock()
        try:
            outcome = self._attempt(post, confirmation, sender, now)
        except RelayError as error:
            post.close()
            self._office.put_back(confirmation, sender)
            if isinstance(error, NoSeatError):
                self._stop.wait(_AGAIN)
            else:
                self._office.failed(sender, error)
            return
        except Exception as error:  # noqa: BLE001 - one mail that cannot be made must not stop the others
            self._log(f"confirmation mail {confirmation.id} could not be made and is tried again later: {error}")
            outcome = Outcome(kind=OutcomeKind.DEFERRED, text=f"not made: {type(error).__name__}", relay="")
        self._record(confirmation, outcome)
        self._office.answered(sender, confirmation, outcome)

    def _attempt(self, post: _Post, confirmation: DueConfirmation, sender: Sender, now: datetime) -> Outcome:
        try:
            envelope = self._envelope(confirmation, now)
        except (AddressError, HeaderError, UnknownNameError) as error:
            # UnknownNameError: its digest is no longer configured.
            return Outcome(kind=OutcomeKind.REJECTED, text=str(error), relay=sender.label)
        connection = post.to(sender)
        return drive(_Hasty(connection), connection.steps(envelope))

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
        with self._lock:
            self.outcomes[state] = self.outcomes.get(state, 0) + 1


class _Post:
    """The one connection of a lane."""

    def __init__(self) -> None:
        self._label = ""
        self._connection: Connection | None = None

    def to(self, sender: Sender) -> Connection:
        """A connection that can be used, to this relay. Raises RelayError."""
        if self._connection is None or self._label != sender.label or not self._connection.usable:
            self.close()
            self._connection, self._label = sender.connect(), sender.label
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Hasty:
    """A connection whose dialogue waits no longer than ``PATIENCE``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def patience(self) -> float:
        return min(self._connection.patience, PATIENCE)

    def fileno(self) -> int:
        return self._connection.fileno()

    def open(self) -> None:
        self._connection.open()
