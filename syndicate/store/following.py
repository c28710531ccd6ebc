"""Feeds of others that we follow at their hubs: what is wanted, asked, confirmed, refused, left.

A row is taken up by moving its ``due_at`` on (see ``tables/websub.py``). What hubs then call in: ``feed_calls.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlmodel import Session, SQLModel

from syndicate.core.following import Topic
from syndicate.store.hub import choose
from syndicate.store.statements import free, upsert
from syndicate.store.tables import FollowedFeedRow
from syndicate.store.websub import HELD_FOR

followed = SQLModel.metadata.tables[str(FollowedFeedRow.__tablename__)]


class FollowState(StrEnum):
    """How it stands with a subscription of ours. While it is ``refused`` or ``left`` it is only remembered."""

    WANTED = "wanted"
    ACTIVE = "active"
    REFUSED = "refused"
    LEAVING = "leaving"
    LEFT = "left"


_TO_ASK = (FollowState.WANTED.value, FollowState.ACTIVE.value, FollowState.LEAVING.value)
_KEPT = (FollowState.WANTED.value, FollowState.ACTIVE.value)
_OVER = (FollowState.REFUSED.value, FollowState.LEFT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedFeed:
    """One subscription. ``attempts`` counts the requests since the last confirmation, with the present one."""

    id: int
    source: str
    feed: str
    hub: str
    topic: str
    token: str = field(repr=False)
    secret: str = field(repr=False)
    state: FollowState
    attempts: int
    asked_at: datetime | None
    verified_at: datetime | None
    expires_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowStatus:
    """One subscription as ``status`` shows it; ``expires_at`` is the end of its lease."""

    source: str
    feed: str
    hub: str
    state: FollowState
    expires_at: datetime | None
    error: str | None


_FIELDS = [followed.c[name] for name in FollowedFeed.__slots__]


def want(session: Session, source: str, topics: Sequence[Topic], now: datetime) -> None:
    """Follow these feeds of a source, each at one hub, and none else.

    A hub that has us stays; else the first one counts that has not refused. One that is no longer named is left.
    """
    connection = session.connection()
    query = select(followed.c.id, followed.c.feed, followed.c.hub, followed.c.topic, followed.c.state)
    rows = {(row.feed, row.hub, row.topic): row for row in connection.execute(query.where(followed.c.source == source))}
    named = {(topic.feed, hub, topic.address) for topic in topics for hub in topic.hubs}
    wanted = set()
    for topic in topics:
        keys = [(topic.feed, hub, topic.address) for hub in topic.hubs]
        states = {key: rows[key].state for key in keys if key in rows}
        active = [key for key in keys if states.get(key) == FollowState.ACTIVE]
        wanted |= set((active or [key for key in keys if states.get(key) != FollowState.REFUSED])[:1])
    _leave(session, [row.id for key, row in rows.items() if key not in wanted and row.state in _KEPT], now)
    ended = [row.id for key, row in rows.items() if key not in named and row.state == FollowState.REFUSED]
    if ended:
        connection.execute(delete(followed).where(followed.c.id.in_(ended)))
    fresh = {"state": FollowState.WANTED.value, "due_at": now, "attempts": 0, "holder": None, "asked_at": None}
    for feed, hub, address in sorted(wanted):
        row = rows.get((feed, hub, address))
        if row is not None and row.state not in _KEPT:
            connection.execute(update(followed).where(followed.c.id == row.id).values(fresh))
        elif row is None:
            key = {"source": source, "feed": feed, "hub": hub, "topic": address}
            # 256 bits: an address that nobody guesses, and a key as long as the hash that it signs with.
            own = {"token": secrets.token_urlsafe(32), "secret": secrets.token_urlsafe(32), "created_at": now}
            connection.execute(upsert(session, followed).values(key | own | fresh).on_conflict_do_nothing())


def leave(session: Session, is_wanted: Callable[[str, str], bool], now: datetime) -> int:
    """Leave the hubs of feeds that are no longer configured, or no longer to be followed. Returns how many."""
    query = select(followed.c.id, followed.c.source, followed.c.feed).where(followed.c.state.in_(_KEPT))
    gone = [row.id for row in session.connection().execute(query) if not is_wanted(row.source, row.feed)]
    _leave(session, gone, now)
    return len(gone)


def _leave(session: Session, ids: Sequence[int], now: datetime) -> None:
    """What a hub was never asked for is forgotten; what it may have, it is asked to end."""
    if not ids:
        return
    connection, ours = session.connection(), followed.c.id.in_(ids)
    connection.execute(delete(followed).where(ours, followed.c.asked_at.is_(None)))
    values = {"state": FollowState.LEAVING.value, "due_at": now, "attempts": 0, "holder": None, "error": None}
    connection.execute(update(followed).where(ours).values(values))


def take_due(
    session: Session, holder: str, now: datetime, limit: int, *, busy: Mapping[str, int], per_hub: int
) -> list[FollowedFeed]:
    """Take up requests that are due, oldest first; at most ``per_hub`` of a hub, with those ``busy`` already.

    ``asked_at`` is written before the request leaves: some hubs ask back before they answer it.
    """
    due = (followed.c.due_at <= now, followed.c.state.in_(_TO_ASK))
    query = select(followed.c.id, followed.c.hub).where(*due).order_by(followed.c.due_at, followed.c.id)
    chosen = choose(session, query, followed.c.hub, limit, busy, per_hub)
    if not chosen:
        return []
    still_due = select(followed.c.id).where(followed.c.id.in_(chosen), *due)
    statement = (
        update(followed)
        .where(followed.c.id.in_(free(session, still_due)))
        .values(holder=holder, due_at=now + HELD_FOR, attempts=followed.c.attempts + 1, asked_at=now)
        .returning(*_FIELDS)
    )
    return [_read(row) for row in session.connection().execute(statement)]


def asked(session: Session, feed: FollowedFeed, holder: str, *, due_at: datetime, error: str | None) -> bool:
    """Record a request, taken by the hub (then its question must come) or failed, and when to ask again.

    False when the question came meanwhile, or another process took it over: then there is nothing to record.
    """
    return _record(session, feed, holder, {"due_at": due_at, "error": error})


def refused(session: Session, feed: FollowedFeed, holder: str, *, until: datetime, error: str) -> bool:
    """Give up a request for a while. False as in ``asked``."""
    state = FollowState.LEFT if feed.state is FollowState.LEAVING else FollowState.REFUSED
    return _record(session, feed, holder, {"state": state.value, "due_at": until, "error": error})


def _record(session: Session, feed: FollowedFeed, holder: str, values: Mapping[str, object]) -> bool:
    mine = (followed.c.id == feed.id, followed.c.holder == holder)
    return session.connection().execute(update(followed).where(*mine).values(holder=None, **values)).rowcount == 1


def by_token(session: Session, token: str) -> FollowedFeed | None:
    """The subscription that a hub calls about."""
    row = session.connection().execute(select(*_FIELDS).where(followed.c.token == token)).first()
    return _read(row) if row is not None else None


def confirm(session: Session, feed: FollowedFeed, *, now: datetime, expires_at: datetime, renew_at: datetime) -> None:
    """Record that the hub has us until ``expires_at``; once for each request, however often it asks."""
    pending = or_(followed.c.verified_at.is_(None), followed.c.verified_at < followed.c.asked_at)
    values = {
        "state": FollowState.ACTIVE.value,
        "verified_at": now,
        "expires_at": expires_at,
        "due_at": renew_at,
        "attempts": 0,
        "holder": None,
        "error": None,
    }
    mine = (followed.c.id == feed.id, followed.c.state.in_(_KEPT), pending)
    session.connection().execute(update(followed).where(*mine).values(values))


def ended(session: Session, feed: FollowedFeed, *, until: datetime, error: str | None) -> None:
    """Record that the hub has let us go: because we wanted it (``error`` None), or against our will.

    ``until`` we remember it: the same hub is not asked before, and gets the same answer if it asks again.
    """
    wish = (FollowState.LEAVING.value,) if error is None else _KEPT
    state = FollowState.LEFT if error is None else FollowState.REFUSED
    values = {"state": state.value, "due_at": until, "holder": None, "error": error}
    session.connection().execute(
        update(followed).where(followed.c.id == feed.id, followed.c.state.in_(wish)).values(values)
    )


def note(session: Session, feed: FollowedFeed, error: str | None) -> None:
    """Note what is wrong with the hub's messages; None: nothing any more."""
    session.connection().execute(update(followed).where(followed.c.id == feed.id).values(error=error))


def forget_over(session: Session, now: datetime) -> int:
    """Forget refusals after their time, so that the hub may be wanted anew, and what was left. Returns how many."""
    statement = delete(followed).where(followed.c.state.in_(_OVER), followed.c.due_at <= now)
    return int(session.connection().execute(statement).rowcount)


def next_follow(session: Session) -> datetime | None:
    """When the earliest row is due."""
    found: datetime | None = session.connection().execute(select(func.min(followed.c.due_at))).scalar_one()
    return found


def all_followed(session: Session) -> list[FollowedFeed]:
    """All subscriptions, by source and feed."""
    query = select(*_FIELDS).order_by(followed.c.source, followed.c.feed, followed.c.id)
    return [_read(row) for row in session.connection().execute(query)]


def follow_statuses(session: Session) -> list[FollowStatus]:
    """The same without what must stay secret."""
    return [
        FollowStatus(**{name: getattr(each, name) for name in FollowStatus.__slots__}) for each in all_followed(session)
    ]


def _read(row: Row[Any]) -> FollowedFeed:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return FollowedFeed(**fields | {"state": FollowState(row.state)})
