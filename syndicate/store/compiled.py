"""Statements of the hottest path, compiled once and run by the driver itself.

SQLAlchemy's own way costs 70 to 150 us a statement (cache key, parameters, result types), several times what the
database takes for it; seven of them stand in each commit of the ledger. Parameters and rows are the driver's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Dialect, Table, bindparam
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from syndicate.store.engine import CONNECTION

Row = Mapping[str, Any]


class _Made(NamedTuple):
    text: str
    arranged: Callable[[Row], Any]


class Compiled:
    """One statement; ``build`` makes it for a dialect, with a named ``bindparam`` for each value."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build
        self._made: dict[str, _Made] = {}

    def run(self, session: Session, values: Row) -> int:
        """Run it; the number of rows that it changed."""
        return int(self._execute(session, values).rowcount)

    def rows(self, session: Session, values: Row) -> Sequence[Any]:
        """Run it; the rows that it finds."""
        found: Sequence[Any] = self._execute(session, values).fetchall()
        return found

    def _execute(self, session: Session, values: Row) -> Any:
        connection = session.info.get(CONNECTION) or session.connection()
        dialect = connection.dialect
        made = self._made.get(dialect.name) or self._make(dialect)
        cursor = connection.connection.cursor()
        arranged = made.arranged(values)
        try:
            cursor.execute(made.text, arranged)
        except dialect.loaded_dbapi.Error as error:
            # As SQLAlchemy does it, so that ``Database.errors`` knows what it sees.
            lost = dialect.is_disconnect(error, connection.connection, cursor)
            raise DBAPIError.instance(
                made.text,
                arranged,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=lost,
            ) from error
        return cursor

    def _make(self, dialect: Dialect) -> _Made:
        compiled = self._build(dialect.name).compile(dialect=dialect)
        arranged = dict if compiled.positiontup is None else _tuple_of(compiled.positiontup)
        # What the dialect adds of its own, such as SQLite's OFFSET.
        own = {name: value for name, value in compiled.params.items() if value is not None}
        made = _Made(str(compiled), (lambda row: arranged({**own, **row})) if own else arranged)
        self._made[dialect.name] = made
        return made


def new_row(table: Table, names: Sequence[str]) -> dict[str, BindParameter[Any]]:
    """What ``INSERT`` puts into these columns: the values that are given to ``Compiled`` under their names."""
    return {name: bindparam(name, type_=table.c[name].type) for name in names}


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
