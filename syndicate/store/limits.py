"""Limits shared by all processes: what may go to a destination or through a relay now is asked and written here.

One row for each limit, locked from the question to the commit of the take; the rules are ``core/limits.py``. Where
nobody set a limit and no server asked for one, no statement is spent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, literal_column, or_, select, update
from sqlmodel import Session, col

from syndicate.core.addresses import parse_address
from syndicate.core.limits import Limit, Usage, grant, in_force, refund, spend
from syndicate.core.pressure import failed, is_pressure, pressed, reason_of, tightened, worked
from syndicate.model import DeliveryState, Outcome, OutcomeKind
from syndicate.store.statements import upsert
from syndicate.store.tables import ConfirmationRow, DeliveryRow, LimitRow, SubscriberRow, SubscriptionRow

_TABLE: Any = LimitRow.__table__  # type: ignore[attr-defined]
_DELIVERIES: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_DOMAIN, _RELAY = "domain:", "relay:"
_NAMES = tuple(Usage.__dataclass_fields__)
_KEEP = (
    update(_TABLE)
    .where(_TABLE.c.key == bindparam("b_key"))
    .values({name: bindparam(name) for name in (*_NAMES, "updated_at")})
)


@dataclass(slots=True, kw_only=True)
class Limits:
    """What a process knows of limits: those that are set, and the keys of those that servers or failures brought.

    ``domains`` are A-labels and the name of the limit they share; ``destinations`` and ``relays`` the limits by name;
    ``max_conns`` the connections to each relay that all processes may have together, ``widest`` those to all relays.
    """

    domains: Mapping[str, str] = field(default_factory=dict)
    destinations: Mapping[str, Limit] = field(default_factory=dict)
    relays: Mapping[str, Limit] = field(default_factory=dict)
    max_conns: Mapping[str, int] = field(default_factory=dict)
    widest: int = 1
    troubled: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether a destination may have a limit."""
        return bool(self.domains) or bool(self.troubled)

    def name_of(self, domain: str) -> str:
        """The destination that a domain belongs to."""
        return self.domains.get(domain, domain)

    def bounds(self, domain: str) -> bool:
        """Whether there may be a limit for this domain."""
        return domain in self.domains or f"{_DOMAIN}{domain}" in self.troubled

    def bounds_relay(self, relay: str) -> bool:
        """Whether there may be a limit for this relay."""
        return relay in self.relays or f"{_RELAY}{relay}" in self.troubled

    def limit_of(self, key: str) -> Limit:
        kind, _, name = key.partition(":")
        found = self.destinations if kind == "domain" else self.relays
        return found.get(name, Limit())


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A destination or relay that is slowed or paused now: ``what`` is its kind and name."""

    what: str
    usage: Usage


def refresh(session: Session, limits: Limits, now: datetime) -> None:
    """Learn what other processes found out: which destinations and relays are slowed, paused or failed."""
    limits.troubled = frozenset(each.what.replace(" ", ":", 1) for each in limits_in_force(session, now, failures=True))


def limits_in_force(session: Session, now: datetime, *, failures: bool = False) -> list[InForce]:
    """What is slowed or paused at this time; with ``failures`` also relays that failed last and are to be tried."""
    rows = session.execute(
        select(_TABLE)
        .where(or_(_TABLE.c.factor < 1, _TABLE.c.paused_until.is_not(None), _TABLE.c.failures > 0))
        .order_by(_TABLE.c.key)
    )
    usages = ((row.key, _usage(row)) for row in rows)
    return [
        InForce(what=key.replace(":", " ", 1), usage=usage)
        for key, usage in usages
        if in_force(usage, now) or (failures and usage.failures)
    ]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The ids of rows that may be taken now, and how many others were put off."""

    ids: set[int]
    put_off: int


def admit(session: Session, rows: Iterable[tuple[int, str]], limits: Limits, *, room: int, now: datetime) -> Admitted:
    """Choose from the rows (id and domain) up to ``room`` that may be taken now.

    What a limit holds back is put off to its turn: the state of the row stays, its ``due_at`` moves, and the index
    (issue, state, due_at) passes over it until then. What there is no room for is left as it is.
    """
    free: list[int] = []
    groups: dict[str, list[int]] = {}
    for row_id, domain in rows:
        if limits.bounds(domain):
            groups.setdefault(_DOMAIN + limits.name_of(domain), []).append(row_id)
        else:
            free.append(row_id)
    chosen = set(free[:room])
    if not groups:
        return Admitted(chosen, 0)
    usages = _locked(session, groups, now)
    bounds = {
        key: tightened(limits.limit_of(key), usages[key], widest=limits.widest, now=now) for key in sorted(groups)
    }
    busy = _on_their_way(session, limits, [key for key, limit in bounds.items() if limit.connections is not None])
    turns: dict[int, datetime] = {}
    kept: dict[str, Usage] = {}
    for key, limit in bounds.items():
        asking = groups[key]
        given = grant(limit, usages[key], asking=len(asking), room=room - len(chosen), busy=busy.get(key, 0), now=now)
        kept[key] = given.usage
        chosen.update(asking[: given.count])
        if given.turns:
            turns |= zip(asking[-len(given.turns) :], given.turns, strict=True)
    _put_off(session, turns)
    _keep(session, {key: usage for key, usage in kept.items() if usage != usages[key]}, now)
    return Admitted(chosen, len(turns))


def turn_of(session: Session, email: str, limits: Limits, now: datetime) -> datetime | None:
    """When a single mail to this address has its turn; None when it may go now, and then it is counted."""
    domain = parse_address(email).domain
    if not limits.bounds(domain):
        return None
    key = _DOMAIN + limits.name_of(domain)
    usage = _locked(session, [key], now)[key]
    limit = tightened(limits.limit_of(key), usage, widest=limits.widest, now=now)
    busy = _on_their_way(session, limits, [key]).get(key, 0) if limit.connections is not None else 0
    given = grant(limit, usage, asking=1, busy=busy, now=now)
    _keep(session, {key: given.usage}, now)
    return given.turns[0] if given.turns else None


def relay_usages(session: Session, limits: Limits, relays: Iterable[str], now: datetime) -> dict[str, Usage]:
    """The usage of each of these relays that has a limit, locked until the commit."""
    bounded = [_RELAY + relay for relay in relays if limits.bounds_relay(relay)]
    if not bounded:
        return {}
    return {key.removeprefix(_RELAY): usage for key, usage in _locked(session, bounded, now).items()}


def read_relays(session: Session, limits: Limits) -> dict[str, Usage]:
    """The usage of each relay that has a limit set, as it stands; for showing."""
    rows = session.execute(select(_TABLE).where(_TABLE.c.key.in_([_RELAY + relay for relay in limits.relays])))
    found = {row.key.removeprefix(_RELAY): _usage(row) for row in rows}
    return {relay: found.get(relay, Usage()) for relay in limits.relays}


def spend_relays(
    session: Session, limits: Limits, usages: Mapping[str, Usage], counts: Mapping[str, int], now: datetime
) -> None:
    """Count what was taken for each relay; ``usages`` as ``relay_usages`` gave them in this transaction."""
    kept = {
        _RELAY + relay: spend(limits.relays.get(relay, Limit()), usages[relay], count, now)
        for relay, count in counts.items()
        if relay in usages
    }
    _keep(session, {key: usage for key, usage in kept.items() if usage != usages[key.removeprefix(_RELAY)]}, now)


def refund_relay(session: Session, limits: Limits, relay: str, count: int, now: datetime) -> None:
    """Take back what was counted for a relay and put back on the ledger: the day of a warm-up has it still."""
    if relay in limits.relays and limits.relays[relay].warm_up:
        key = _RELAY + relay
        _keep(session, {key: refund(_locked(session, [key], now)[key], count)}, now)


def record_pressure(
    session: Session, answers: Iterable[tuple[str, Outcome]], limits: Limits, now: datetime
) -> list[InForce]:
    """Slow down or pause what asked for it: ``answers`` are recipients' addresses and what was said of them.

    Returns what is slower than before. Only 421 and 4.7.x count; what a relay said to MAIL is about the relay.
    """
    reasons: dict[str, str] = {}
    for email, outcome in answers:
        if outcome.kind is OutcomeKind.DEFERRED and is_pressure(outcome):
            destination = _DOMAIN + limits.name_of(parse_address(email).domain)
            reasons.setdefault(_RELAY + outcome.relay if outcome.about_relay else destination, reason_of(outcome))
    if not reasons:
        return []
    usages = _locked(session, reasons, now)
    found = {key: pressed(limits.limit_of(key), usages[key], reason, now) for key, reason in reasons.items()}
    changed = {key: usage for key, usage in found.items() if usage != usages[key]}
    _keep(session, changed, now)
    limits.troubled |= reasons.keys()
    return [InForce(what=key.replace(":", " ", 1), usage=usage) for key, usage in changed.items()]


def relay_failed(session: Session, limits: Limits, relay: str, reason: str, now: datetime) -> Usage | None:
    """Leave a relay alone for a while; returns what is remembered of it, None when it is left alone already."""
    key = _RELAY + relay
    before = _locked(session, [key], now)[key]
    usage = failed(before, reason, now)
    limits.troubled |= {key}
    if usage == before:
        return None
    _keep(session, {key: usage}, now)
    return usage


def relay_worked(session: Session, limits: Limits, relay: str, now: datetime) -> None:
    """A relay that failed works again."""
    key = _RELAY + relay
    _keep(session, {key: worked(_locked(session, [key], now)[key])}, now)
    limits.troubled -= {key}


def try_again(session: Session, now: datetime) -> None:
    """End the waits of relays that failed: an operator asks for it. What servers asked for themselves stays."""
    session.execute(update(_TABLE).where(_TABLE.c.failures > 0, _TABLE.c.paused_until > now).values(paused_until=now))


def drop_limits(session: Session, before: datetime) -> int:
    """Forget destinations that nothing was remembered of since a time."""
    result: Any = session.execute(delete(_TABLE).where(_TABLE.c.key.startswith(_DOMAIN), _TABLE.c.updated_at < before))
    return int(result.rowcount)


def _locked(session: Session, keys: Iterable[str], now: datetime) -> dict[str, Usage]:
    """The usage of each key. Always in the same order, so that two processes do not wait for each other."""
    wanted = sorted(keys)
    query = select(_TABLE).where(_TABLE.c.key.in_(wanted)).order_by(_TABLE.c.key).with_for_update()
    found = {row.key: _usage(row) for row in session.execute(query)}
    missing = [key for key in wanted if key not in found]
    if missing:
        for key in missing:
            row = {"key": key, **_values(Usage()), "updated_at": now}
            session.execute(upsert(session, _TABLE).values(row).on_conflict_do_nothing(index_elements=["key"]))
        found = {row.key: _usage(row) for row in session.execute(query)}
    return found


def _keep(session: Session, usages: Mapping[str, Usage], now: datetime) -> None:
    for key, usage in usages.items():
        session.execute(_KEEP, {"b_key": key, **_values(usage), "updated_at": now})


def _usage(row: Any) -> Usage:
    values = {name: getattr(row, name) for name in _NAMES}
    return Usage(**values | {"spacing": timedelta(seconds=row.spacing)})


def _values(usage: Usage) -> dict[str, Any]:
    return asdict(usage) | {"spacing": usage.spacing.total_seconds()}


def _on_their_way(session: Session, limits: Limits, keys: Collection[str]) -> dict[str, int]:
    """How many messages to each of these destinations are being sent, by all processes, confirmation mails too."""
    if not keys:
        return {}
    names = {key.removeprefix(_DOMAIN) for key in keys}
    domains = names | {domain for domain, name in limits.domains.items() if name in names}
    found: dict[str, int] = {}
    for query in (_sending_by_domain(), _confirming_by_domain()):
        for domain, count in session.execute(query):
            if domain in domains:
                key = _DOMAIN + limits.name_of(domain)
                found[key] = found.get(key, 0) + count
    return found


def _sending_by_domain() -> Any:
    # Not a join: once SQLite has counted its rows (ANALYZE), it looked every subscriber up, to have them by domain.
    domain = (
        select(col(SubscriberRow.domain))
        .where(col(SubscriberRow.id) == col(DeliveryRow.subscriber_id))
        .scalar_subquery()
    )
    return (
        select(domain.label("domain"), func.count())
        # Written out, since only then SQLite sees that the partial index holds all that is asked for.
        .where(col(DeliveryRow.state) == literal_column(f"'{DeliveryState.SENDING.value}'"))
        .group_by(literal_column("1"))
    )


def _confirming_by_domain() -> Any:
    return (
        select(col(SubscriberRow.domain), func.count())
        .join(SubscriptionRow, col(SubscriptionRow.subscriber_id) == col(SubscriberRow.id))
        .join(ConfirmationRow, col(ConfirmationRow.subscription_id) == col(SubscriptionRow.id))
        .where(col(ConfirmationRow.state) == DeliveryState.SENDING.value)
        .group_by(col(SubscriberRow.domain))
    )


def _put_off(session: Session, turns: Mapping[int, datetime]) -> None:
    if turns:
        session.connection().execute(
            update(_DELIVERIES)
            .where(_DELIVERIES.c.id == bindparam("b_id"))
            .values(due_at=bindparam("b_due", type_=_DELIVERIES.c.due_at.type)),
            [{"b_id": row_id, "b_due": turn} for row_id, turn in turns.items()],
        )
