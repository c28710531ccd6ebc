"""Statements of the hottest path, compiled once and run by the driver itself.

SQLAlchemy's own way costs 50 to 150 us a statement (cache key, parameters, result types), which at 12,000 messages a
second is more than the database takes. Parameters and results are the driver's: see ``moment`` and ``as_time``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import CursorResult
from sqlmodel import Session

Row = Mapping[str, Any]


class Compiled:
    """One statement; ``build`` makes it for a dialect, with a named ``bindparam`` for each value."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build
        self._made: dict[str, tuple[str, Callable[[Row], Any]]] = {}

    def run(self, session: Session, values: Row) -> CursorResult[Any]:
        """Run it once."""
        text, arranged = self._for(session)
        return session.connection().exec_driver_sql(text, arranged(values))

    def run_many(self, session: Session, rows: Sequence[Row]) -> CursorResult[Any]:
        """Run it for each of the rows; ``rowcount`` is the sum."""
        text, arranged = self._for(session)
        return session.connection().exec_driver_sql(text, [arranged(row) for row in rows])

    def _for(self, session: Session) -> tuple[str, Callable[[Row], Any]]:
        dialect = session.get_bind().dialect
        made = self._made.get(dialect.name)
        if made is None:
            compiled = self._build(dialect.name).compile(dialect=dialect)
            arranged = dict if compiled.positiontup is None else _tuple_of(compiled.positiontup)
            # What the dialect adds of its own, such as SQLite's OFFSET.
            own = {name: value for name, value in compiled.params.items() if value is not None}
            made = (str(compiled), (lambda row: arranged({**own, **row})) if own else arranged)
            self._made[dialect.name] = made
        return made


def _tuple_of(names: Sequence[str]) -> Callable[[Row], Any]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def moment(session: Session, value: datetime) -> Any:
    """An aware time as the driver takes it and ``UtcDateTime`` reads it."""
    if session.get_bind().dialect.name == "postgresql":
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def as_time(value: Any) -> datetime | None:
    """A time as the driver gave it."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)
