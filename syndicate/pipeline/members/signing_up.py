"""A stranger's form: limits, then what ``subscribing.py`` does, in one transaction.

Known, new and suppressed addresses give the same answer in the same time: each use writes its limits and commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


def sign_up(
    database: Database, settings: Settings, keyring: Keyring, wish: Wish, origin: Origin, *, now: datetime
) -> Taken:
    """Take a form. Raises AddressError, UsageError and UnknownNameError for what was typed.

    The limit of an address is kept in silence: whoever typed it need not learn that others did.
    """
    address = parse_address(wish.email)
    begin = reader_of(settings, keyring, wish, now)
    rules = settings.signup
    secret = keyring.hash_key
    of_address = limit_key("address", address.key, secret)
    rates = {of_address: rules.address_rate, limit_key("domain", address.domain, secret): rules.domain_rate}
    if origin.network is not None:
        rates[limit_key("network", origin.network, secret)] = rules.network_rate
    with database.write() as session:
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
