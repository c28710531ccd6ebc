"""Which relay gets how many of the next deliveries, and how many connections it may have: by weights and limits.

Used by the ledger's thread alone, inside its transactions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlmodel import Session

from syndicate.core.limits import Limit, Usage, factor_at, is_paused, most, next_at
from syndicate.core.shares import deal
from syndicate.pipeline.deliver.parking import ParkingSender
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.store.deliveries import Result
from syndicate.store.limits import (
    InForce,
    Limits,
    record_pressure,
    refresh,
    refund_relay,
    relay_failed,
    relay_usages,
    relay_worked,
    spend_relays,
)
from syndicate.store.seats import claim_seats

# A relay none of whose connections has come back for so long is not waited for by the others.
_AT_WORK = 1.0


class Asking(Protocol):
    """Connections of a relay that ask for deliveries."""

    relay: str
    want: int


A = TypeVar("A", bound=Asking)


@dataclass(slots=True)
class _Relay:
    """A relay of this pass. ``had``: the deliveries it got, divided by its weight; ``seats``: its connections here."""

    sender: Sender
    limit: Limit
    seats: int
    had: float = 0.0
    asked_at: float = 0.0
    at_work: bool = False
    failing: bool = False


class Dealer:
    """Deals deliveries out among the relays of one pass."""

    def __init__(
        self, senders: Sequence[Sender], limits: Limits, *, holder: str, alone: bool, log: Callable[[str], None]
    ) -> None:
        self.limits = limits
        self._relays = {
            sender.label: _Relay(sender, limits.relays.get(sender.label, Limit()), sender.connections)
            for sender in senders
        }
        self._holder = holder
        self._alone = alone
        self._log = log
        self._usages: dict[str, Usage] = {}

    @property
    def down(self) -> bool:
        """Whether no relay works."""
        return all(relay.failing for relay in self._relays.values())

    def renew(self, session: Session, now: datetime) -> None:
        """Learn what other processes found out, and take the connections that this one may have; every few seconds."""
        self.look(session, now)
        if not self._alone:
            wanted = {label: relay.sender.connections for label, relay in self._relays.items()}
            # A worker may want fewer than are allowed (``--connections``), and must not take the rest from the others.
            most = wanted | {label: self.limits.max_conns[label] for label in wanted if label in self.limits.max_conns}
            seats = claim_seats(session, holder=self._holder, wanted=wanted, most=most, now=now, bound=self._bound)
            for label, count in seats.items():
                self._relays[label].seats = count

    def _bound(self, label: str, seats: int) -> int:
        sender = self._relays[label].sender
        return sender.bound(seats) if isinstance(sender, ParkingSender) else 0

    def look(self, session: Session, now: datetime) -> None:
        """Learn how relays and destinations stand."""
        refresh(session, self.limits, now)
        self._usages = relay_usages(session, self.limits, self._relays, now)
        for relay in self._relays.values():
            relay.failing = self._usage(relay).failures > 0

    def deal(self, session: Session, asking: Sequence[A], now: datetime) -> list[A]:
        """Who gets one delivery each, in order. What is dealt is paid for with ``spend``, in the same transaction."""
        self._usages = relay_usages(session, self.limits, self._relays, now)
        lines: dict[str, list[A]] = {label: [] for label in self._relays}
        for each in asking:
            lines[each.relay].append(each)
        wants = {}
        for label, relay in self._relays.items():
            left = most(relay.limit, self._usage(relay), now=now)
            if not self.connections(label, now):
                left = 0
            want = sum(each.want for each in lines[label])
            wants[label] = want if left is None else min(want, left)
            self._see(relay, asks=bool(lines[label]), may=left != 0)
        had = {label: relay.had for label, relay in self._relays.items() if relay.at_work}
        weights = {label: relay.sender.weight for label, relay in self._relays.items()}
        return _one_each(deal({label: wants[label] for label in had}, had, weights), lines)

    def spend(self, session: Session, turns: Iterable[Asking], now: datetime) -> None:
        """Count what was really dealt out: there may have been fewer deliveries than turns."""
        counts: dict[str, int] = {}
        for each in turns:
            counts[each.relay] = counts.get(each.relay, 0) + 1
        for label, count in counts.items():
            self._relays[label].had += count / self._relays[label].sender.weight
        spend_relays(session, self.limits, self._usages, counts, now)

    def connections(self, label: str, now: datetime) -> int:
        """How many connections to a relay this process may have now; one tries whether a relay works again."""
        relay = self._relays[label]
        if relay.failing:
            return min(1, relay.seats)
        return min(relay.seats, max(1, int(relay.sender.connections * factor_at(self._usage(relay), now))))

    def learn(self, session: Session, results: Sequence[Result], now: datetime) -> None:
        """Slow down what asked for it, and trust a relay again that failed and works."""
        slowed = record_pressure(session, ((each.task.email, each.outcome) for each in results), self.limits, now)
        for each in slowed:
            self._log(_told(each, now))
        for label, relay in self._relays.items():
            if relay.failing and any(r.outcome.relay == label and r.outcome.code is not None for r in results):
                relay_worked(session, self.limits, label, now)
                relay.failing = False
                self._log(f"relay {label} works again")

    def give_back(self, session: Session, label: str, count: int, now: datetime) -> None:
        """What was dealt to a relay was put back on the ledger."""
        refund_relay(session, self.limits, label, count, now)

    def fail(self, session: Session, label: str, error: Exception, now: datetime) -> None:
        """Leave a relay alone for a while that does not work."""
        usage = relay_failed(session, self.limits, label, str(error), now)
        self._relays[label].failing = True
        if len(self._relays) > 1 and usage is not None and usage.paused_until is not None:
            self._log(f"{error}; it is left alone until {usage.paused_until:%H:%M:%S} UTC, others do its work")

    def begins_at(self, now: datetime) -> datetime:
        """When the first of the relays may take something, as they stood at the last ``deal`` or ``look``."""
        return min(self.may_at(label, now) for label in self._relays)

    def may_at(self, label: str, now: datetime) -> datetime:
        """When this relay may take something."""
        relay = self._relays[label]
        return next_at(relay.limit, self._usage(relay), now)

    def _usage(self, relay: _Relay) -> Usage:
        return self._usages.get(relay.sender.label, Usage())

    def _see(self, relay: _Relay, *, asks: bool, may: bool) -> None:
        """See whether a relay is at work; one that comes back begins where the others are."""
        if asks:
            relay.asked_at = time.monotonic()
        at_work = may and time.monotonic() - relay.asked_at < _AT_WORK
        if at_work and not relay.at_work:
            others = [other.had for other in self._relays.values() if other.at_work and other is not relay]
            relay.had = max(relay.had, min(others, default=0.0))
        relay.at_work = at_work


def _one_each(order: Sequence[str], lines: dict[str, list[A]]) -> list[A]:
    """Turn by turn to those of each relay that ask, so that few deliveries use many connections."""
    if len(set(order)) == 1 and len(lines[order[0]]) == 1:
        return lines[order[0]] * len(order)
    found: list[A] = []
    given = {label: [0] * len(line) for label, line in lines.items()}
    at = dict.fromkeys(lines, 0)
    for label in order:
        line, had = lines[label], given[label]
        place = at[label] % len(line)
        while had[place] >= line[place].want:
            place = (place + 1) % len(line)
        found.append(line[place])
        had[place] += 1
        at[label] = place + 1
    return found


def _told(each: InForce, now: datetime) -> str:
    usage = each.usage
    asked = f"{each.what} asked us to slow down ({usage.reason})"
    if is_paused(usage, now) and usage.paused_until is not None:
        return f"{asked}: nothing goes there until {usage.paused_until:%H:%M:%S} UTC"
    return f"{asked}: {usage.factor:.0%} of its rate and connections are left"
