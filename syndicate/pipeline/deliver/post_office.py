"""Which relay takes the next confirmation mail, and when: limits, failures and seats as they are for digests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlmodel import Session

from syndicate.core.limits import Limit, Usage, most, next_at
from syndicate.errors import RelayError
from syndicate.model import Outcome
from syndicate.pipeline.deliver.parking import ParkingSender
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.request import Holder
from syndicate.store import confirmations
from syndicate.store.confirmations import DueConfirmation
from syndicate.store.engine import Database
from syndicate.store.limits import (
    Limits,
    record_pressure,
    refresh,
    refund_relay,
    relay_failed,
    relay_usages,
    relay_worked,
    spend_relays,
    turn_of,
)
from syndicate.store.seats import claim_seats

_AT_ONCE = 100
# Seats are asked for so often, and so long: who sends digests gives some up within five seconds.
_ASK_EVERY = 1.0
_SEATS_WITHIN = 15.0
_AGAIN = 0.3


class PostOffice:
    """Deals confirmation mails out to the lanes of one pass. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        senders: Sequence[Sender],
        limits: Limits,
        *,
        holder: Holder,
        clock: Callable[[], datetime],
        lanes: int,
        may_take: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        """``may_take`` raises what must stop it before more are taken."""
        self._database = database
        self._senders = deque(
            ParkingSender(each, connections=min(lanes, each.connections), parks=False) for each in senders
        )
        self._limits = limits
        self._holder = holder
        self._clock = clock
        self._may_take = may_take
        self._log = log
        self._lock = threading.Lock()
        self._found: deque[DueConfirmation] = deque()
        self._down: dict[str, RelayError] = {}
        self._seats: dict[str, int] = {}
        self._asked_at = float("-inf")
        self._began = time.monotonic()
        #: When a relay may be given one again, if none may now.
        self.waits_until: datetime | None = None

    def take(self) -> tuple[DueConfirmation, Sender] | float | None:
        """The next mail, marked, and the relay for it; seconds to wait for one; None when there is none any more.

        Raises RelayError when no relay works, and what ``may_take`` raises.
        """
        with self._lock:
            self._may_take()
            now = self._clock()
            with self._database.write() as session:
                if time.monotonic() - self._asked_at > _ASK_EVERY:
                    self._renew(session, now)
                if not self._found:
                    self._found.extend(confirmations.due(session, now, _AT_ONCE))
                return self._next(session, now) if self._found else None

    def put_back(self, confirmation: DueConfirmation, sender: Sender) -> None:
        """Release one whose data did not begin to leave; it may be taken again in this pass."""
        with self._lock, self._database.write() as session:
            refund_relay(session, self._limits, sender.label, 1, self._clock())
            if confirmations.release(session, confirmation.id, holder=self._holder.name):
                self._found.appendleft(confirmation)

    def failed(self, sender: Sender, error: RelayError) -> None:
        """Leave a relay alone that does not work. Raises its error when it was the last one."""
        now = self._clock()
        with self._lock:
            with self._database.write() as session:
                usage = relay_failed(session, self._limits, sender.label, str(error), now)
            self._down[sender.label] = error
            if all(each.label in self._down for each in self._senders):
                raise error
            if usage is not None:
                self._log(f"{error}; other relays send the confirmation mails meanwhile")

    def answered(self, sender: Sender, confirmation: DueConfirmation, outcome: Outcome) -> None:
        """Learn from an answer: slow down what asked for it, and prefer another relay to one that was silent."""
        now = self._clock()
        with self._lock:
            if outcome.code is not None:
                with self._database.write() as session:
                    record_pressure(session, [(confirmation.email, outcome)], self._limits, now)
                    if self._usages(session, now).get(sender.label, Usage()).failures:
                        relay_worked(session, self._limits, sender.label, now)
            elif outcome.relay and len(self._senders) > 1 and self._senders[0].label == outcome.relay:
                self._senders.rotate(-1)

    def _next(self, session: Session, now: datetime) -> tuple[DueConfirmation, Sender] | float | None:
        sender = self._choose(session, now)
        if sender is None:
            return self._patience(session, now)
        while self._found:
            confirmation = self._found.popleft()
            turn = turn_of(session, confirmation.email, self._limits, now)
            if turn is not None:
                confirmations.put_off(session, confirmation.id, turn)
            elif confirmations.mark_sending(session, confirmation.id, self._holder.name, now):
                spend_relays(session, self._limits, self._usages(session, now), {sender.label: 1}, now)
                return confirmation, sender
        return 0.0  # look once more: others may be due

    def _choose(self, session: Session, now: datetime) -> ParkingSender | None:
        usages = self._usages(session, now)
        for sender in self._senders:
            limit = self._limits.relays.get(sender.label, Limit())
            free = self._holder.alone or self._seats.get(sender.label, 0) > 0
            if sender.label not in self._down and free and most(limit, usages.get(sender.label, Usage()), now=now) != 0:
                return sender
        return None

    def _patience(self, session: Session, now: datetime) -> float | None:
        """How long to wait for a relay; None when that is too long, and the pass ends."""
        usages = self._usages(session, now)
        at = min(
            next_at(self._limits.relays.get(each.label, Limit()), usages.get(each.label, Usage()), now)
            for each in self._senders
        )
        if at > now and (at - now).total_seconds() > _ASK_EVERY:
            self.waits_until = at
            return None
        if time.monotonic() - self._began > _SEATS_WITHIN:
            return None
        return _AGAIN

    def _renew(self, session: Session, now: datetime) -> None:
        self._asked_at = time.monotonic()
        refresh(session, self._limits, now)
        if self._holder.alone:
            return
        by_label = {each.label: each for each in self._senders}
        wanted = {label: each.connections for label, each in by_label.items()}
        self._seats = claim_seats(
            session,
            holder=self._holder.name,
            wanted=wanted,
            most={label: self._limits.max_conns.get(label, count) for label, count in wanted.items()},
            now=now,
            bound=lambda label, seats: by_label[label].bound(seats),
        )

    def _usages(self, session: Session, now: datetime) -> dict[str, Usage]:
        return relay_usages(session, self._limits, [each.label for each in self._senders], now)
