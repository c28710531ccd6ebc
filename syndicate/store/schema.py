"""Brings a database to the schema that this version works with, and says where one stands.

The steps are Alembic's, in ``migrations/versions/``, numbered without branches; nothing here knows what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import ProgrammingError

from syndicate.errors import SchemaError, StoreError
from syndicate.store.engine import Database
from syndicate.store.job_schema import jobs_current, upgrade_jobs

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"
# Any number will do as long as nobody else on the server locks it: "syndicate", read as base 36, within 63 bits.
_UPGRADE_LOCK = int("syndicate", 36)


def revisions() -> list[str]:
    """All schema revisions, oldest first. Read off the file names, which costs no import of Alembic (0.3 s)."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def head_revision() -> str:
    """The revision that this version of the program works with."""
    return revisions()[-1]


def current_revision(database: Database) -> str | None:
    """The revision that the database is at, None when it holds no schema of ours. One small query.

    Raises StoreError when the database cannot be reached.
    """
    try:
        with database.read() as session:
            return _revision(session.connection())
    except (StoreError, ProgrammingError):
        # No schema yet, or a real trouble: that comes again here, and is raised.
        with database.read() as session:
            return _revision_if_any(session.connection())


def require_current(database: Database) -> None:
    """Raise SchemaError, saying what to do, unless the database is at the head revision."""
    current = current_revision(database)
    if current == head_revision():
        return
    if current is None:
        raise SchemaError(f"{database.label} holds no schema yet; run `syndicate db upgrade`")
    _refuse_newer(database, current)
    raise SchemaError(
        f"{database.label} is at schema {current}, this version needs {head_revision()}; run `syndicate db upgrade`"
    )


def upgrade(database: Database, *, revision: str | None = None) -> list[str]:
    """Apply the steps that are missing, all or none, up to ``revision`` (default: the head). Returns what was applied.

    Any number of processes may call this at once: one does the work under a lock, the others wait and find it done.
    Raises SchemaError when the database is newer than the program or holds tables of that name that are not ours.
    """
    target = revision or head_revision()
    current = current_revision(database)
    whole = target == head_revision()
    if current == target and not (whole and _jobs_behind(database)):
        return []
    with database.errors(), _locked(database) as connection:
        current = _revision_if_any(connection)
        if current is None:
            _refuse_foreign(database, connection)
        else:
            _refuse_newer(database, current)
        missing = [step for step in revisions() if step <= target and (current is None or step > current)]
        if missing:
            _run(connection, target)
        if whole and database.dialect == "postgresql":
            upgrade_jobs(connection, database.label)
        return missing


def _jobs_behind(database: Database) -> bool:
    if database.dialect == "sqlite":
        return False
    with database.read() as session:
        return not jobs_current(session.connection())


def _revision(connection: Connection) -> str | None:
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _revision_if_any(connection: Connection) -> str | None:
    return _revision(connection) if inspect(connection).has_table(_VERSION_TABLE) else None


def _refuse_newer(database: Database, current: str) -> None:
    if current not in revisions():
        raise SchemaError(
            f"{database.label} is at schema {current}, which this version (schema {head_revision()}) does not know: "
            "a newer Syndicate wrote it. Install that version, or restore a backup made before the upgrade"
        )


def _refuse_foreign(database: Database, connection: Connection) -> None:
    from syndicate.store.tables import MetaRow

    taken = sorted(set(inspect(connection).get_table_names()) & set(MetaRow.metadata.tables))
    if taken:
        raise SchemaError(
            f"{database.label} already has tables that Syndicate did not make ({', '.join(taken)}); "
            "give Syndicate a database of its own in [service] database"
        )


@contextmanager
def _locked(database: Database) -> Iterator[Connection]:
    """A transaction that no other upgrade runs beside, with SQLite's foreign keys unenforced until its end."""
    if database.dialect == "postgresql":
        with database.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            yield connection
        return
    with database.engine.connect() as connection:
        # A step may rebuild a table, and DROP TABLE with enforcement on deletes what refers to its rows. The switch
        # works only outside a transaction (sqlite.org/lang_altertable.html, section 7), hence past SQLAlchemy's BEGIN.
        driver = connection.connection.cursor()
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():  # BEGIN IMMEDIATE, see engine.py: DDL is part of the transaction
                yield connection
                broken = connection.execute(text("PRAGMA foreign_key_check")).first()
                if broken:
                    raise SchemaError(
                        f"{database.label}: the upgrade would leave rows of {broken[0]} without their {broken[2]}"
                    )
        finally:
            driver.execute("PRAGMA foreign_keys = ON")
            driver.close()


def _run(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, target)
