"""Procrastinate's schema beside ours: made with it, brought along with a newer release, never taken from somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from syndicate.errors import SchemaError
from syndicate.store import job_schema
from syndicate.store.engine import Database
from syndicate.store.job_schema import job_steps, jobs_current, mark
from syndicate.store.schema import upgrade


@pytest.fixture
def empty(empty_postgres_url: str) -> Iterator[Database]:
    with closing(Database(empty_postgres_url)) as database:
        yield database


def functions(database: Database) -> list[tuple[str, str]]:
    """All of Procrastinate's functions with their bodies: what a step adds or changes."""
    with database.read() as session:
        rows = session.connection().execute(
            text("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'procrastinate%' ORDER BY proname, prosrc")
        )
        return [(row.proname, " ".join(row.prosrc.split())) for row in rows]


def columns(database: Database) -> dict[str, list[str]]:
    inspector = inspect(database.engine)
    return {
        table: sorted(column["name"] for column in inspector.get_columns(table))
        for table in inspector.get_table_names()
        if table.startswith("procrastinate_")
    }


def test_the_steps_are_those_of_the_package() -> None:
    shipped = sorted(path.name.removesuffix(".sql") for path in (files("procrastinate") / "sql/migrations").iterdir())
    assert job_steps() == [name for name in shipped if not name.startswith("__")]


def test_an_upgrade_makes_the_jobs_and_says_how_far(empty: Database) -> None:
    upgrade(empty)
    with empty.read() as session:
        assert jobs_current(session.connection())
    assert "procrastinate_jobs" in columns(empty)
    assert upgrade(empty) == []


def test_an_older_schema_of_jobs_is_brought_along(empty: Database, postgres_database: Database) -> None:
    # As a release of Procrastinate before heartbeats left it; its steps up to there build it from nothing.
    steps = [step for step in job_steps() if step < "03.01"]
    with empty.engine.begin() as connection:
        for step in steps:
            job_schema._run(connection, job_schema._sql() / "migrations" / f"{step}.sql")
        mark(connection, steps[-1])
    assert columns(empty) != columns(postgres_database)
    upgrade(empty)
    assert columns(empty) == columns(postgres_database)
    assert functions(empty) == functions(postgres_database)
    with empty.read() as session:
        assert jobs_current(session.connection())


def test_the_newer_steps_are_applied_to_a_database_whose_own_schema_is_current(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "migrations").mkdir()
    for step in job_steps():
        (tmp_path / "migrations" / f"{step}.sql").write_text("SELECT no_such_function()")
    (tmp_path / "migrations" / "99.00.00_01_pre_more.sql").write_text("CREATE TABLE procrastinate_more (id integer)")
    monkeypatch.setattr(job_schema, "_sql", lambda: tmp_path)
    assert upgrade(postgres_database) == []
    assert columns(postgres_database)["procrastinate_more"] == ["id"]
    with postgres_database.read() as session:
        assert jobs_current(session.connection())


def test_jobs_of_a_newer_release_are_refused(postgres_database: Database) -> None:
    with postgres_database.engine.begin() as connection:
        mark(connection, "99.00.00_01_pre_more")
    with pytest.raises(SchemaError, match="a newer Syndicate wrote it"):
        upgrade(postgres_database)


def test_somebody_elses_jobs_are_left_alone(empty: Database) -> None:
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE procrastinate_jobs (id bigint)"))
    with pytest.raises(SchemaError, match="give Syndicate a database of its own"):
        upgrade(empty)
    assert inspect(empty.engine).get_table_names() == ["procrastinate_jobs"]
