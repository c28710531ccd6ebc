"""A stranger's form: limits, then what ``subscribing.py`` does, in one transaction.

Known, new and suppressed addresses give the same answer in the same time: each use writes its limits and commits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from threading import Lock

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.addresses import parse_address
from syndicate.core.form_limits import limit_key, next_arrival
from syndicate.model import Keyring
from syndicate.pipeline.members.subscribing import Wish, reader_of
from syndicate.store.engine import Database
from syndicate.store.form_limits import arrivals, keep_arrivals, use_once


class Taken(StrEnum):
    """What a form is answered."""

    TAKEN = "taken"
    TOO_MANY = "too_many"  # from this network, or for this domain
    USED = "used"  # its proof of work was used before


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a form came from. ``network``: of the client, None when it has no address; ``proof``: used once, until."""

    network: str | None = None
    proof: tuple[str, datetime] | None = None


#: Forms of one transaction: on SQLite the commit is most of the work, and every other writer waits for it.
_TOGETHER = 64


@dataclass(eq=False, slots=True)
class _Waiting:
    """One form on its way, and what became of it."""

    work: Callable[[Session], Taken]
    taken: Taken | None = None
    error: Exception | None = None


class SignupDesk:
    """Takes forms; those that come at the same time share a transaction, and are answered when it is committed."""

    def __init__(self, database: Database, settings: Settings, keyring: Keyring) -> None:
        self._database = database
        self._settings = settings
        self._keyring = keyring
        self._waiting: deque[_Waiting] = deque()
        self._lock = Lock()

    def sign_up(self, wish: Wish, origin: Origin, *, now: datetime) -> Taken:
        """Take a form. Raises AddressError, UsageError and UnknownNameError for what was typed, StoreError.

        The limit of an address is kept in silence: whoever typed it need not learn that others did.
        """
        mine = _Waiting(form_of(self._settings, self._keyring, wish, origin, now))
        self._waiting.append(mine)
        with self._lock:
            # Whoever has the lock works for all who wait behind it.
            while mine.taken is None and mine.error is None:
                count = min(_TOGETHER, len(self._waiting))
                self._work([self._waiting.popleft() for _ in range(count)])
        if mine.taken is None:
            assert mine.error is not None  # noqa: S101 - one of the two is there
            raise mine.error
        return mine.taken

    def _work(self, forms: list[_Waiting]) -> None:
        try:
            with self._database.write() as session:
                taken = [form.work(session) for form in forms]
        except Exception as error:  # noqa: BLE001 - it is each one's own, who raises it
            if len(forms) == 1:
                forms[0].error = error
                return
            # One of them spoiled it for all, and nothing of any was kept: each by itself.
            for form in forms:
                self._work([form])
        else:
            for form, answer in zip(forms, taken, strict=True):
                form.taken = answer


def form_of(
    settings: Settings, keyring: Keyring, wish: Wish, origin: Origin, now: datetime
) -> Callable[[Session], Taken]:
    """Read a form, and return what takes it in a transaction of the caller's. Raises as ``SignupDesk.sign_up``."""
    address = parse_address(wish.email)
    begin = reader_of(settings, keyring, wish, now)
    rules = settings.signup
    secret = keyring.hash_key
    of_address = limit_key("address", address.key, secret)
    rates = {of_address: rules.address_rate, limit_key("domain", address.domain, secret): rules.domain_rate}
    if origin.network is not None:
        rates[limit_key("network", origin.network, secret)] = rules.network_rate

    def take(session: Session) -> Taken:
        if origin.proof is not None and not use_once(session, *origin.proof):
            return Taken.USED
        known = arrivals(session, list(rates))
        found = {key: next_arrival(known.get(key), rate, now) for key, rate in rates.items()}
        refused = {key for key, arrival in found.items() if arrival is None}
        if refused - {of_address}:
            # Nothing is counted: a network that had enough must not use up what a domain has left.
            return Taken.TOO_MANY
        keep_arrivals(session, {key: arrival or known[key] for key, arrival in found.items()})
        if not refused:
            begin(session)
        return Taken.TAKEN

    return take
