"""The connections to a relay that processes on PostgreSQL share, so that all of them together keep to ``max_conns``.

Each process says how many it wants; they are dealt out evenly, and nobody takes what another one still has. What a dead
process had is free. On SQLite one process sends: there is nothing to share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session

from syndicate.core.seats import share
from syndicate.store.holders import not_alive
from syndicate.store.statements import dialect_of, upsert
from syndicate.store.tables import RelaySeatRow

_TABLE: Any = RelaySeatRow.__table__  # type: ignore[attr-defined]


def claim_seats(
    session: Session,
    *,
    holder: str,
    wanted: Mapping[str, int],
    most: Mapping[str, int],
    now: datetime,
    bound: Callable[[str, int], int] = lambda _relay, _seats: 0,
) -> dict[str, int]:
    """How many connections to each relay this process may have now; asked again every few seconds.

    ``wanted`` and ``most`` (``max_conns``) by relay. One who must give some up is told so here: ``bound`` lets a relay
    have no more than so many from this moment on, and says how many are open still. Those keep their seats until they
    are closed; another one gets them when it asks after that. The holder is registered.
    """
    found: dict[str, int] = {}
    for relay in sorted(wanted):
        # Two that ask at once would both take the last ones.
        if dialect_of(session) == "postgresql":
            session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"syndicate seats {relay}"))))
        rows = session.execute(
            select(_TABLE.c.holder, _TABLE.c.wanted, _TABLE.c.seats).where(
                _TABLE.c.relay == relay,
                _TABLE.c.holder != holder,
                ~not_alive(session, _TABLE.c.holder, me=holder, alone=False, now=now),
            )
        ).all()
        fair = share({row.holder: row.wanted for row in rows} | {holder: wanted[relay]}, most[relay])[holder]
        seats = max(0, min(fair, most[relay] - sum(row.seats for row in rows)))
        taken = max(seats, bound(relay, seats))
        statement = upsert(session, _TABLE).values(relay=relay, holder=holder, wanted=wanted[relay], seats=taken)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["relay", "holder"], set_={"wanted": wanted[relay], "seats": taken}
            )
        )
        found[relay] = seats
    return found


def pass_on_seats(session: Session, before: str, holder: str) -> None:
    """Have a holder take over the seats, and the open connections, of its own process's last one."""
    session.execute(update(_TABLE).where(_TABLE.c.holder == before).values(holder=holder))


def keep_seats(session: Session, holder: str, open_: Mapping[str, int]) -> None:
    """Keep seats for connections that are open and idle, and want no more: the others may have the rest at once."""
    for relay, count in sorted(open_.items()):
        session.execute(
            update(_TABLE).where(_TABLE.c.relay == relay, _TABLE.c.holder == holder).values(wanted=0, seats=count)
        )
