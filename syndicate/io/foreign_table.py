"""A table or query of somebody else's database, only read: opening it, its columns, and the SELECTs over it.

Every fault becomes a SourceError that names the database without its password. What is done with the rows:
``database.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    NullPool,
    Row,
    Select,
    and_,
    bindparam,
    column,
    create_engine,
    event,
    func,
    inspect,
    null,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import NullType

from syndicate.errors import SourceError

PAGE = 500
_ID_PAGE = 20_000
CURSOR = "cursor "  # with a space: no column of ours is called so
# What to install for a database whose driver is not ours to bring.
_DRIVERS = {
    "MySQLdb": "mysqlclient (or pymysql, with an address mysql+pymysql://…)",
    "pymysql": "pymysql",
    "psycopg2": "psycopg2-binary (or use postgresql://…, whose driver is there)",
    "pyodbc": "pyodbc",
    "oracledb": "oracledb",
    "cx_Oracle": "cx_Oracle",
    "mariadb": "mariadb",
    "asyncpg": "no asynchronous driver (use postgresql://…)",
}


class ForeignTable:
    """A table or query as columns of ours: rows come with our names, values as their driver gives them."""

    def __init__(
        self, connection: Connection, origin: FromClause, columns: Mapping[str, str], cursor: str | None, label: str
    ) -> None:
        self._connection = connection
        self._id = origin.c[columns["id"]]
        self._cursor = origin.c[cursor] if cursor else None
        # The types are the driver's: SQLAlchemy's own would refuse, for one odd date, a whole page.
        wanted = [origin.c[theirs].label(ours) for ours, theirs in columns.items()]
        if self._cursor is not None:
            wanted.append(self._cursor.label(CURSOR))
        self._rows = select(*wanted)
        self.label = label

    def pages_from(self, bound: Any, *, strict: bool) -> Iterator[Sequence[Row[Any]]]:
        """Read the rows from a cursor value on (None: all that have one), ordered by cursor and id, by keyset."""
        cursor = self._known_cursor
        query = self._rows.where(self._id.is_not(None), cursor.is_not(None)).order_by(cursor, self._id).limit(PAGE)
        start: list[ColumnElement[bool]] = []
        if bound is not None:
            start = [cursor > _value(bound) if strict else cursor >= _value(bound)]
        while page := self._all(query.where(*start)):
            yield page
            if len(page) < PAGE:
                return
            at, id_ = page[-1]._mapping[CURSOR], page[-1].id  # noqa: SLF001 - the public name of Row's mapping
            # "cursor >=" in front lets every database walk the cursor's index; OR alone scans.
            start = [cursor >= _value(at), or_(cursor > _value(at), and_(cursor == _value(at), self._id > _value(id_)))]

    def pages_by_id(self) -> Iterator[Sequence[Row[Any]]]:
        """Read all rows that have an id, ordered by it, by keyset."""
        query = self._rows.where(self._id.is_not(None)).order_by(self._id).limit(PAGE)
        start: list[ColumnElement[bool]] = []
        while page := self._all(query.where(*start)):
            yield page
            if len(page) < PAGE:
                return
            start = [self._id > _value(page[-1].id)]

    def by_ids(self, ids: Iterable[Any]) -> Iterator[Sequence[Row[Any]]]:
        """Read the rows of these ids, in pages."""
        asked = list(ids)
        for start in range(0, len(asked), PAGE):
            some = [_value(id_) for id_ in asked[start : start + PAGE]]
            yield self._all(self._rows.where(self._id.in_(some)))

    def ids(self) -> Iterator[tuple[Any, Any]]:
        """Read the ids of all rows, each with its cursor value (None without a cursor)."""
        cursor = self._cursor if self._cursor is not None else null()
        query = select(self._id.label("id"), cursor.label("at")).order_by(self._id).limit(_ID_PAGE)
        start: list[ColumnElement[bool]] = [self._id.is_not(None)]
        while page := self._all(query.where(*start)):
            for row in page:
                yield row.id, row.at
            if len(page) < _ID_PAGE:
                return
            start = [self._id > _value(page[-1].id)]

    def count_without_id(self) -> int:
        """Count the rows that cannot be articles."""
        with self._told():
            count: int = self._connection.execute(select(func.count()).where(self._id.is_(None))).scalar_one()
        return count

    def more_than(self, limit: int, value: Any) -> bool:
        """Tell whether more than ``limit`` rows stand at one cursor value."""
        query = select(self._id).where(self._known_cursor == _value(value)).limit(limit + 1)
        return len(self._all(query)) > limit

    @property
    def _known_cursor(self) -> ColumnElement[Any]:
        assert self._cursor is not None  # noqa: S101 - the reader asks only where one is configured
        return self._cursor

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._told():
            return self._connection.execute(query).all()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with told(self.label):
            yield


@contextmanager
def open_table(
    address: str,
    *,
    base: Path,
    table_name: str | None,
    query: str | None,
    columns: Mapping[str, str],
    cursor: str | None,
    timeout: timedelta,
) -> Iterator[ForeignTable]:
    """Connect and find the columns. Raises SourceError: no such file, driver, table or column, or not reachable.

    No answer of the database is waited for longer than ``timeout``.
    """
    engine, label = _engine(address, base, timeout)
    try:
        # AUTOCOMMIT: no transaction of ours stays open in their database while we write into our own.
        with told(label):
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            with told(label):
                origin = (
                    _from_table(connection, table_name, label) if table_name else _from_query(connection, query or "")
                )
            _check_columns(origin, columns, cursor, label)
            yield ForeignTable(connection, origin, columns, cursor, label)
    finally:
        engine.dispose()


@contextmanager
def told(label: str) -> Iterator[None]:
    """Turn what the driver or SQLAlchemy says into a SourceError: one line, without the statement."""
    try:
        yield
    except (DBAPIError, SQLAlchemyError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        raise SourceError(f"{label}: {lines[0] if lines else type(cause).__name__}") from error


def _value(value: Any) -> Any:
    # Without a type the driver sends the value as it came; SQLAlchemy's guess would cut a time's zone off.
    return bindparam(None, value, type_=NullType(), unique=True)


def _engine(address: str, base: Path, timeout: timedelta) -> tuple[Engine, str]:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise SourceError(
            "its url is no database address; expected sqlite:///FILE, postgresql://… or another of SQLAlchemy's"
        ) from error
    label = url.set(query={}).render_as_string(hide_password=True)
    options: dict[str, Any] = {}
    try:
        if url.get_backend_name() == "sqlite":
            url = _read_only_file(url, base, label)
            options["connect_args"] = {"timeout": 10, "check_same_thread": False}
        else:
            options["connect_args"] = _patience(url.get_dialect().driver, timeout)
        engine = create_engine(url, poolclass=NullPool, **options)
    except NoSuchModuleError as error:
        raise SourceError(
            f"{label}: SQLAlchemy knows no database {url.drivername!r}; is its dialect installed?"
        ) from error
    except ModuleNotFoundError as error:
        package = _DRIVERS.get(error.name or "", error.name)
        raise SourceError(f"{label}: the driver {error.name} is not installed: pip install {package}") from error
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise SourceError(f"{label}: {str(error).splitlines()[0]}") from error
    event.listen(engine, "connect", _prepared_session(engine.dialect.name, timeout))
    return engine, label


def _read_only_file(url: URL, base: Path, label: str) -> URL:
    """SQLite would create a missing file and then miss the table: mode=ro makes it an error, and protects the file."""
    name = url.database or ""
    if name.startswith("file:"):
        return url.update_query_dict({"mode": "ro", "uri": "true"})
    if not name or name == ":memory:":
        raise SourceError(f"{label}: a database in memory holds nothing that could be read; name a file")
    path = (base / name).resolve()
    if not path.is_file():
        raise SourceError(f"{label}: there is no file {path}")
    return url.set(database=f"file:{quote(str(path))}").update_query_dict({"mode": "ro", "uri": "true"})


def _patience(driver: str, timeout: timedelta) -> dict[str, int]:
    """What ends the wait for a server that does not answer, or is gone without a word; in seconds."""
    if driver in {"psycopg", "psycopg2"}:
        return {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    if driver in {"pymysql", "mysqldb"}:
        return {"connect_timeout": 10, "read_timeout": max(1, round(timeout.total_seconds()))}
    return {}


def _prepared_session(dialect: str, timeout: timedelta) -> Any:
    """A session that only reads, and in which no statement and no wait for a lock lasts longer than ``timeout``."""
    seconds, milliseconds = max(1, round(timeout.total_seconds())), max(1, timeout // timedelta(milliseconds=1))
    statements = {
        "sqlite": ["PRAGMA query_only = ON"],
        "postgresql": ["SET default_transaction_read_only = on", f"SET statement_timeout = {milliseconds}"],
        "mysql": ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_execution_time = {milliseconds}"],
        "mariadb": ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_statement_time = {seconds}"],
    }.get(dialect, [])

    def prepare(connection: Any, _record: Any) -> None:
        if statements:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            cursor.close()
            connection.commit()
        if dialect == "postgresql" and type(connection).__module__.partition(".")[0] == "psycopg":
            from syndicate.io.lenient_times import register

            register(connection)

    return prepare


def _from_table(connection: Connection, name: str, label: str) -> FromClause:
    schema, _, plain = name.rpartition(".")
    inspector = inspect(connection)
    try:
        columns = inspector.get_columns(plain, schema=schema or None)
    except NoSuchTableError as error:
        there = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
        raise SourceError(f"{label}: there is no table {name!r}{_nearest(plain, there)}") from error
    return table(plain, *(column(entry["name"]) for entry in columns), schema=schema or None)


def _from_query(connection: Connection, query: str) -> FromClause:
    # Colons are literal: the operator's query has no parameters of ours.
    plain = query.strip().rstrip(";").replace(":", r"\:")
    names = list(connection.execute(text(f"SELECT * FROM (\n{plain}\n) source_query WHERE 1 = 0")).keys())  # noqa: S608 - the operator's own query
    return text(plain + "\n").columns(*(column(name) for name in names)).subquery("source_query")


def _check_columns(origin: FromClause, columns: Mapping[str, str], cursor: str | None, label: str) -> None:
    there = [entry.name for entry in origin.c]
    for ours, theirs in [*columns.items(), *([("cursor", cursor)] if cursor else [])]:
        if theirs not in there:
            raise SourceError(f"{label}: there is no column {theirs!r} (for {ours}){_nearest(theirs, there)}")


def _nearest(name: str, there: Sequence[str]) -> str:
    close = difflib.get_close_matches(name.lower(), [entry.lower() for entry in there], n=1)
    if close:
        return f"; did you mean {next(entry for entry in there if entry.lower() == close[0])!r}?"
    return f"; there is: {', '.join(sorted(there)[:20]) or 'nothing'}"
