"""Opens the database: SQLite (WAL, full fsync, BEGIN IMMEDIATE) or PostgreSQL, behind two kinds of transaction.

``write()`` takes the write lock at its start, so nothing read inside can be stale; ``read()`` sees one snapshot.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from syndicate.errors import StoreBusyError, StoreConflictError, StoreError

T = TypeVar("T")

BUSY_TIMEOUT = timedelta(seconds=30)
#: In ``Session.info``: the connection of a transaction that has begun, for statements to whom asking for it costs more
#: than they do themselves.
CONNECTION = "syndicate_connection"
#: Likewise: ``Database.webhooks``.
WEBHOOKS = "syndicate_webhooks"
_READ = "syndicate_read"
_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
_BROKEN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_TAKEN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


class Writer(Protocol):
    """Begins a transaction that writes on a connection that is kept."""

    def __call__(self, *, wait: bool = True) -> AbstractContextManager[Session]:
        """``wait`` False: raises StoreBusyError at once when another process writes to the SQLite file."""


class Database:
    """One open database. ``dialect`` is ``sqlite`` or ``postgresql``; ``label`` names it without its password.

    With ``changes=False`` a SQLite file is neither made nor turned to WAL: for looking at what may not be ours.
    """

    def __init__(
        self, url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT, pool_size: int = 5, changes: bool = True
    ) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:  # no address; a port that is no number
            # Not repeated: it may hold a password.
            raise StoreError(
                "service.database is no database address; expected sqlite:///FILE or postgresql://…"
            ) from error
        self.label = parsed.render_as_string(hide_password=True)
        #: The webhooks of the configuration and what each is told of: who changes a row owes them a message with it.
        self.webhooks: Mapping[str, Sequence[str]] = {}
        name = parsed.get_backend_name()
        if name not in {"sqlite", "postgresql"}:
            raise StoreError(f"{self.label}: the ledger lives in SQLite or PostgreSQL, not in {name}")
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if name == "sqlite" else "postgresql"
        if self.dialect == "sqlite" and not _names_a_file(parsed):
            # One spelling only: the lock of the sending process lies beside the file that it names.
            raise StoreError(f"{self.label}: write it as sqlite:///FILE")
        self._busy_ms = int(busy_timeout.total_seconds() * 1000)
        options: dict[str, Any] = {}
        if self.dialect == "sqlite":
            options["connect_args"] = {"timeout": busy_timeout.total_seconds(), "check_same_thread": False}
        else:
            options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
        try:
            self.engine: Engine = create_engine(
                # Parameters are addresses of people: they must not stand in messages and logs.
                parsed,
                pool_size=pool_size,
                max_overflow=20,
                hide_parameters=True,
                **options,
            )
        except NoSuchModuleError as error:
            raise StoreError(f"{self.label}: no driver for this address is installed") from error
        if self.dialect == "sqlite":
            if changes:
                event.listen(self.engine, "do_connect", _make_private)
                event.listen(self.engine, "connect", _turn_to_wal)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def write(self, *, snapshot: bool = False) -> Iterator[Session]:
        """A transaction that writes: committed at the end, rolled back on any error.

        With ``snapshot`` all its statements see one state of the database (SQLite: always; PostgreSQL: REPEATABLE
        READ). Raises StoreBusyError when another process holds the lock too long, StoreConflictError when PostgreSQL
        wants it done again, StoreError for what else the driver says.
        """
        repeatable = snapshot and self.dialect == "postgresql"
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ") if repeatable else self.engine
        with self.errors(), Session(engine, expire_on_commit=False) as session, session.begin():
            session.info[CONNECTION] = session.connection()
            session.info[WEBHOOKS] = self.webhooks
            yield session

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """One connection kept for many short transactions that write, one after the other: ``with begin() as session``.

        What ``write()`` spends on each (a session, a connection from the pool and back) is half of a group commit of 20
        rows. A connection that broke is replaced at the next ``begin()``.
        """
        session: Session | None = None

        @contextmanager
        def begin(*, wait: bool = True) -> Iterator[Session]:
            nonlocal session
            with self.errors():
                if session is None:
                    session = Session(self.engine.connect(), expire_on_commit=False)
                try:
                    with self._patient(session, wait=wait), session.begin():
                        session.info[CONNECTION] = session.connection()
                        session.info[WEBHOOKS] = self.webhooks
                        yield session
                except BaseException:
                    # Whatever state it is in: the next one begins afresh.
                    # Not by session.connection(): that would begin one at once, and wait for the lock that was busy.
                    bound: Any = session.get_bind()
                    for each in (session, bound):
                        with suppress(Exception):
                            each.close()
                    session = None
                    raise

        try:
            yield begin
        finally:
            if session is not None:
                bound = session.get_bind()
                session.close()
                bound.close()  # type: ignore[union-attr]

    @contextmanager
    def _patient(self, session: Session, *, wait: bool) -> Iterator[None]:
        if wait or self.dialect != "sqlite":
            yield
            return
        bound: Any = session.get_bind()
        driver = bound.connection.dbapi_connection
        driver.execute("PRAGMA busy_timeout = 0").close()
        try:
            yield
        finally:
            driver.execute(f"PRAGMA busy_timeout = {self._busy_ms}").close()

    def repeat(self, work: Callable[[Session], T], *, attempts: int = 3) -> T:
        """Do some work in a transaction that writes, and do it again when PostgreSQL gave it up for another's sake.

        ``work`` must keep nothing of an attempt that failed. Raises as ``write``; StoreConflictError after the last.
        """
        for _ in range(attempts - 1):
            try:
                with self.write() as session:
                    return work(session)
            except StoreConflictError:
                continue
        with self.write() as session:
            return work(session)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot for reading; never waits for a writer."""
        level = "REPEATABLE READ" if self.dialect == "postgresql" else None
        options: dict[str, Any] = {_READ: True} | ({"isolation_level": level} if level else {})
        with (
            self.errors(),
            self.engine.connect().execution_options(**options) as connection,
            Session(connection) as session,
        ):
            # Closed, not rolled back: a rollback would expire the rows that were read.
            yield session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's exceptions into ours; a ProgrammingError stays, since it is a bug of this program."""
        try:
            yield
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) in _CONFLICTS:
                raise StoreConflictError(f"{self.label}: {_first_line(error.orig)}") from error
            reason = _first_line(error.orig)
            if "locked" in reason or "busy" in reason:
                raise StoreBusyError(
                    f"{self.label} is locked by another process for too long ({reason}); "
                    "look for another `syndicate` that runs on it"
                ) from error
            raise StoreError(f"{self.label}: {reason}") from error
        except DBAPIError as error:
            if _sqlite_code(error.orig) in _BROKEN:
                raise StoreError(
                    f"{self.label}: {_first_line(error.orig)}; if it was Syndicate's own, put the file aside and "
                    "`syndicate restore` a backup, else name another in [service] database"
                ) from error
            if error.connection_invalidated:
                raise StoreError(f"{self.label}: the connection broke ({_first_line(error.orig)})") from error
            raise
        except PoolTimeoutError as error:
            raise StoreBusyError(
                f"{self.label}: no connection became free in time; all of them wait for another write to end"
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _names_a_file(url: URL) -> bool:
    name = url.database or ":memory:"
    return url.drivername == "sqlite" and name != ":memory:" and not name.startswith("file:")


def _first_line(error: object) -> str:
    """What the driver said, without the details that may repeat a row's values."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _sqlite_code(error: object) -> int | None:
    """SQLite's primary result code (sqlite.org/rescode.html), without what extends it; None for other errors."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if code is not None else None


def _make_private(_dialect: Any, _record: Any, arguments: Any, _options: Any) -> None:
    # The addresses of all readers: for nobody else on the machine. What SQLite lays beside the file takes its mode.
    with suppress(OSError):  # it is there already; or SQLite says what is wrong with the place
        os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _turn_to_wal(connection: Any, _record: Any) -> None:
    # A second process that opens a new file at the same moment finds it locked while it becomes WAL: try again.
    for attempt in range(50):
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if attempt == 49 or _sqlite_code(error) not in _TAKEN:  # noqa: PLR2004 - the last of the 50 tries above
                raise
            time.sleep(0.1)
        else:
            return


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN is deferred and comes late; ours are written out in _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")  # the ledger must survive a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    # Who was erased, and what yesterday's hashes were made with, is gone from the file as well.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("PRAGMA cache_size = -16000")
    cursor.execute("PRAGMA temp_store = MEMORY")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    read = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")
