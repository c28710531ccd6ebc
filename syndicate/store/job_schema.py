"""Procrastinate's own tables and functions in our PostgreSQL database, brought to the version that is installed.

Its package ships a whole schema and numbered steps. How far they were applied stands in a comment on its main table, so
that the two cannot part, whatever is restored or copied.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, text

from syndicate.errors import SchemaError

_MARK = "syndicate: procrastinate schema "


def job_steps() -> list[str]:
    """The names of all steps, oldest first."""
    return sorted(path.stem for path in (_sql() / "migrations").glob("*.sql"))


def jobs_current(connection: Connection) -> bool:
    """Whether this database's jobs are at the schema that the installed Procrastinate works with."""
    return connection.dialect.name != "postgresql" or _applied(connection) == job_steps()[-1]


def upgrade_jobs(connection: Connection, label: str) -> None:
    """Make Procrastinate's schema, or apply the steps that are missing, in this transaction.

    Raises SchemaError for tables of that name that Syndicate did not make, and for those of a newer Procrastinate.
    """
    if jobs_current(connection):
        return
    applied, steps = _applied(connection), job_steps()
    if applied is None:
        if connection.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is not None:
            raise SchemaError(
                f"{label} already has Procrastinate's tables, and Syndicate did not make them; "
                "give Syndicate a database of its own in [service] database"
            )
        _run(connection, _sql() / "schema.sql")
    elif applied > steps[-1]:
        raise SchemaError(
            f"{label} holds jobs in Procrastinate's schema {applied}, and the installed Procrastinate knows only "
            f"{steps[-1]}: a newer Syndicate wrote it. Install that version"
        )
    else:
        for step in steps:
            if step > applied:
                _run(connection, _sql() / "migrations" / f"{step}.sql")
    mark(connection, steps[-1])


def mark(connection: Connection, step: str) -> None:
    """Note how far the steps were applied."""
    connection.exec_driver_sql(f"COMMENT ON TABLE procrastinate_jobs IS '{_MARK}{step}'")


def _applied(connection: Connection) -> str | None:
    comment: str | None = connection.scalar(
        text("SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
    )
    return comment.removeprefix(_MARK) if comment and comment.startswith(_MARK) else None


@cache
def _sql() -> Path:
    # Found, not imported: the package takes 0.3 s, and every command looks here.
    spec = find_spec("procrastinate")
    assert spec is not None  # noqa: S101 - a dependency of ours
    assert spec.origin is not None  # noqa: S101 - likewise
    return Path(spec.origin).parent / "sql"


def _run(connection: Connection, script: Path) -> None:
    # Without parameters, many statements may go in one text, and % is no placeholder.
    connection.exec_driver_sql(script.read_text(encoding="utf-8"), execution_options={"no_parameters": True})
