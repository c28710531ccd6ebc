"""The limits of the configuration as the store takes them, and how those in force stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from syndicate.config import Settings
from syndicate.core.addresses import parse_address
from syndicate.core.limits import Limit, factor_at, is_paused, next_at, warm_up_day
from syndicate.store.limits import Limits, limits_in_force, read_relays


def limits_of(settings: Settings) -> Limits:
    """The limits that are set; none for a Maildir."""
    if settings.delivery.transport == "maildir":
        return Limits()
    return Limits(
        domains={
            _a_label(domain): name for name, throttle in settings.throttle.items() for domain in (name, *throttle.also)
        },
        destinations={
            name: Limit(rate=throttle.rate, connections=throttle.connections)
            for name, throttle in settings.throttle.items()
        },
        relays={
            relay.label: Limit(rate=relay.rate, warm_up=relay.warm_up)
            for relay in settings.smtp
            if relay.rate is not None or relay.warm_up
        },
        max_conns={relay.label: relay.max_conns for relay in settings.smtp},
        widest=sum(relay.max_conns for relay in settings.smtp),
    )


def _a_label(domain: str) -> str:
    return parse_address(f"x@{domain}").domain


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStatus:
    """A limit in force: a relay or destination that is slowed (``share`` below 1), paused, or warming up.

    ``day`` of the warm-up counts from 1, and has had ``taken`` of ``allowed`` messages.
    """

    what: str
    reason: str | None = None
    paused_until: datetime | None = None
    share: float = 1.0
    day: int | None = None
    taken: int | None = None
    allowed: int | None = None


def limit_statuses(session: Session, settings: Settings, now: datetime) -> list[LimitStatus]:
    """What slows delivering down now."""
    found = [
        LimitStatus(
            what=each.what,
            reason=each.usage.reason,
            paused_until=each.usage.paused_until if is_paused(each.usage, now) else None,
            share=factor_at(each.usage, now),
        )
        for each in limits_in_force(session, now)
    ]
    limits = limits_of(settings)
    for relay, usage in read_relays(session, limits).items():
        day = warm_up_day(limits.relays[relay], usage, now)
        if day is not None:
            found.append(LimitStatus(what=f"relay {relay}", day=day.number, taken=day.taken, allowed=day.allowed))
    return found


def all_wait(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether each relay has had what its rate or warm-up plan lets it have for now: no reason for an alarm."""
    limits = limits_of(settings)
    usages = read_relays(session, limits)
    return bool(settings.smtp) and all(
        relay.label in usages
        and not usages[relay.label].failures
        and next_at(limits.relays[relay.label], usages[relay.label], now) > now
        for relay in settings.smtp
    )
