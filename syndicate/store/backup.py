"""All rows of a database as JSON lines and back, the same text for SQLite and PostgreSQL.

Types come from the database's own tables, not from ``tables.py``: a backup may be of an older schema than ours.
Tables that are not ours are never read, cleared or dropped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Boolean, Connection, DateTime, Integer, LargeBinary, MetaData, Table, func, inspect, select, text
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, NoSuchTableError, ProgrammingError
from sqlmodel import Session

from syndicate.errors import BackupError
from syndicate.store.tables import MetaRow

ROWS = 1_000  # rows of a part
_BYTES = 4 * 2**20  # or as soon as it is that large: bodies and articles are
_FETCH = 100  # rows fetched at once, for the same reason
_VERSION_TABLE = "alembic_version"
# What drivers raise for a value that a column cannot hold. The statements are our own: they are not at fault.
_MISFITS = (DataError, IntegrityError, InterfaceError, ProgrammingError)
_PRECIOUS = ("subscribers", "articles", "issues", "suppressions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a snapshot holds: rows by table, in an order in which every row comes after those it refers to.

    ``last_ids`` are the highest ids ever given, also of rows that are gone: none comes back for somebody else.
    """

    rows: dict[str, int]
    last_ids: dict[str, int]


def take_census(session: Session) -> Census:
    """Count what the snapshot of this session holds; the database is at the head revision."""
    connection = session.connection()
    tables = [_table(session, table.name) for table in MetaRow.metadata.sorted_tables]
    return Census(
        rows=count_rows(session, [table.name for table in tables]),
        last_ids={table.name: _last_id(connection, table) for table in tables if _numbered(table)},
    )


def count_rows(session: Session, names: Iterable[str]) -> dict[str, int]:
    """The rows of each of the tables."""
    connection = session.connection()
    return {name: connection.scalar(select(func.count()).select_from(_table(session, name))) or 0 for name in names}


def dump_table(session: Session, name: str) -> Iterator[bytes]:
    """The rows of a table as parts of JSON lines, in the order of its primary key; memory stays flat.

    Times are ISO 8601 in UTC, bytes base64.
    """
    table = _table(session, name)
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_FETCH)
    part: list[bytes] = []
    size = 0
    with session.connection().execute(query) as result:
        for row in result.mappings():
            line = json.dumps({key: _plain(value) for key, value in row.items()}, ensure_ascii=False).encode()
            part.append(line)
            size += len(line) + 1
            if len(part) == ROWS or size >= _BYTES:
                yield b"\n".join([*part, b""])
                part, size = [], 0
    if part:
        yield b"\n".join([*part, b""])


def precious_rows(session: Session) -> list[str]:
    """What of value a database holds that a restore would mix with or lose: "3 articles", in words."""
    connection = session.connection()
    there = set(inspect(connection).get_table_names())
    counts = [
        (name, connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0)  # noqa: S608 - our own names
        for name in _PRECIOUS
        if name in there
    ]
    return [f"{count} {name}" for name, count in counts if count]


def drop_schema(session: Session, names: Iterable[str]) -> None:
    """Remove our tables, those named and those of this version, for a restore that begins at an older schema."""
    connection = session.connection()
    ours = {*names, *MetaRow.metadata.tables, _VERSION_TABLE}
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in ours)
    found.drop_all(connection, [table for table in found.tables.values() if table.name in ours])


def clear(session: Session, names: Sequence[str]) -> None:
    """Delete the rows that a fresh schema begins with; ``names`` in the order of a census."""
    for name in reversed(names):
        session.connection().execute(_table(session, name).delete())


def load_part(session: Session, name: str, part: bytes) -> int:
    """Insert the rows of one part. Returns how many. Raises BackupError when they do not fit."""
    table = _table(session, name)
    try:
        rows = _typed(table, [json.loads(line) for line in part.split(b"\n") if line])
        if rows:
            session.connection().execute(table.insert(), rows)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, *_MISFITS) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise BackupError(f"the rows of {name} do not fit ({type(error).__name__}: {reason})") from error
    return len(rows)


def set_last_ids(session: Session, last_ids: dict[str, int]) -> None:
    """Let numbering go on after the highest ids ever given."""
    connection = session.connection()
    for name, promised in last_ids.items():
        table = _table(session, name)
        last = max(promised, _highest(connection, table))
        if connection.dialect.name == "postgresql":
            sequence = _sequence(connection, table)
            connection.execute(
                text("SELECT setval(CAST(:sequence AS regclass), :value, :called)"),
                {"sequence": sequence, "value": max(last, 1), "called": last > 0},
            )
        elif _counted_by_sqlite(connection, table):
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
                {"name": table.name, "last": last},
            )


def _table(session: Session, name: str) -> Table:
    # Read off the database once a session: a restore asks for each part.
    known: MetaData = session.info.setdefault("backup", MetaData())
    if name not in known.tables:
        try:
            return Table(name, known, autoload_with=session.connection())
        except NoSuchTableError:
            raise BackupError(f"the schema that the backup names has no table {name!r}") from None
    return known.tables[name]


def _numbered(table: Table) -> bool:
    key = list(table.primary_key.columns)
    return len(key) == 1 and key[0].name == "id" and isinstance(key[0].type, Integer)


def _highest(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.c.id))) or 0


def _last_id(connection: Connection, table: Table) -> int:
    if connection.dialect.name == "postgresql":
        last = connection.scalar(
            text("SELECT pg_sequence_last_value(CAST(:sequence AS regclass))"),
            {"sequence": _sequence(connection, table)},
        )
    elif _counted_by_sqlite(connection, table):
        last = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    else:
        last = None
    return max(last or 0, _highest(connection, table))


def _sequence(connection: Connection, table: Table) -> str:
    found: str = connection.scalar(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name})
    return found


def _counted_by_sqlite(connection: Connection, table: Table) -> bool:
    sql = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table.name})
    return "AUTOINCREMENT" in (sql or "")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(value).decode("ascii")
    return value


def _typed(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The values of rows as the driver wants them. Raises what Python does for a value or a row that is none."""
    columns = set(table.c.keys())
    converters = [(column.name, convert) for column in table.c if (convert := _converter(column.type))]
    for row in rows:
        if row.keys() != columns:
            raise KeyError(*sorted(row.keys() ^ columns))
        for column, convert in converters:
            if row[column] is not None:
                row[column] = convert(row[column])
    return rows


def _converter(kind: Any) -> Callable[[Any], Any] | None:
    """What makes a column's value of its plain form; None when that is the same."""
    if isinstance(kind, DateTime):
        return datetime.fromisoformat if kind.timezone else _utc_without_zone
    if isinstance(kind, LargeBinary):
        return partial(base64.b64decode, validate=True)
    return bool if isinstance(kind, Boolean) else None


def _utc_without_zone(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
