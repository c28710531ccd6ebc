"""Migrations: they make exactly what ``tables.py`` says, keep what is there, and any number of processes may start them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from populated import FIXTURES, counts, load, migrations
from sqlalchemy import MetaData, event, inspect, select, text
from sqlmodel import SQLModel

from syndicate.errors import SchemaError
from syndicate.store import schema
from syndicate.store.engine import Database
from syndicate.store.schema import current_revision, head_revision, require_current, revisions, upgrade
from syndicate.store.tables import DeliveryRow, MetaRow


def metadata() -> MetaData:
    return MetaRow.metadata


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """Procrastinate's tables stand beside ours on PostgreSQL (``test_store_job_schema.py``)."""
    return kind != "table" or not str(name).startswith("procrastinate_")


def describe(database: Database) -> dict[str, Any]:
    """Everything of a schema that our tables use, in an order that does not depend on how it came about."""
    inspector = inspect(database.engine)
    found: dict[str, Any] = {}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        where = f"{database.dialect}_where"
        found[table] = {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            },
            "primary": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (
                    key["constrained_columns"],
                    key["referred_table"],
                    key["referred_columns"],
                    sorted(key["options"].items()),
                )
                for key in inspector.get_foreign_keys(table)
            ),
            "unique": sorted((key["name"], key["column_names"]) for key in inspector.get_unique_constraints(table)),
            "check": sorted((key["name"], key["sqltext"]) for key in inspector.get_check_constraints(table)),
            "index": sorted(
                (key["name"], key["column_names"], bool(key["unique"]), str(key.get("dialect_options", {}).get(where)))
                for key in inspector.get_indexes(table)
            ),
        }
        if database.dialect == "sqlite":
            with database.read() as session:
                sql = session.connection().scalar(
                    text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}
                )
            found[table]["never_reused"] = "AUTOINCREMENT" in sql
    return found


def test_the_upgraded_database_is_what_the_tables_say(empty_database: Database) -> None:
    assert upgrade(empty_database) == revisions()
    with empty_database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata()) == []


def test_constraints_and_partial_indexes_are_there_too(empty_database: Database) -> None:
    # compare_metadata does not look at CHECKs and at the conditions of indexes.
    upgrade(empty_database)
    upgraded = describe(empty_database)
    metadata().drop_all(empty_database.engine)
    metadata().create_all(empty_database.engine)
    assert upgraded == describe(empty_database)


def test_the_counters_start_at_nothing(database: Database) -> None:
    with database.read() as session:
        rows = session.connection().execute(text("SELECT name, value FROM counters ORDER BY name")).all()
    assert [tuple(row) for row in rows] == [("article_revision", 0), ("article_seq", 0)]


def test_revisions_are_one_line_and_alembic_agrees() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [head_revision()]
    assert [step.revision for step in script.walk_revisions()][::-1] == revisions()


def test_every_revision_has_a_populated_fixture() -> None:
    assert sorted(path.stem for path in FIXTURES.glob("*.sql")) == revisions()


@pytest.mark.parametrize("revision", revisions())
def test_a_populated_database_of_every_earlier_schema_is_upgraded(empty_database: Database, revision: str) -> None:
    upgrade(empty_database, revision=revision)
    load(empty_database, revision)
    before = counts(empty_database)
    assert [name for name, rows in before.items() if not rows] == []  # the fixture fills every table

    assert upgrade(empty_database) == [step for step in revisions() if step > revision]

    after = counts(empty_database)
    assert {name: after.get(name) for name in before} == before
    require_current(empty_database)
    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        assert compare_metadata(context, metadata()) == []
        if empty_database.dialect == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        for table in SQLModel.metadata.sorted_tables:
            connection.execute(select(table)).all()  # every value can be read as what the tables say


def test_ids_of_deliveries_that_are_gone_do_not_come_back_with_a_rebuilt_table(empty_database: Database) -> None:
    if empty_database.dialect == "postgresql":
        pytest.skip("only SQLite rebuilds tables")
    upgrade(empty_database, revision="0012")
    load(empty_database, "0012")
    with empty_database.write() as session:
        last = session.connection().scalar(text("SELECT max(id) FROM deliveries"))
        session.execute(text("DELETE FROM deliveries WHERE id = :last"), {"last": last})
    upgrade(empty_database)
    with empty_database.write() as session:
        row = DeliveryRow(issue_id=1, state="queued", due_at=datetime(2026, 11, 20, tzinfo=UTC))
        session.add(row)
        session.flush()
        assert row.id is not None
        assert row.id > last


def test_a_current_database_costs_a_small_query_and_one_for_its_jobs(database: Database) -> None:
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _x, statement, *_: statements.append(statement))
    assert upgrade(database) == []
    small = ["SELECT version_num FROM alembic_version"]
    if database.dialect == "postgresql":
        small.append("SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
    assert [statement for statement in statements if not statement.startswith("BEGIN")] == small


def test_an_empty_database_is_told_what_to_do(empty_database: Database) -> None:
    assert current_revision(empty_database) is None
    with pytest.raises(SchemaError, match="syndicate db upgrade"):
        require_current(empty_database)


def test_an_older_database_is_told_what_to_do(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(schema, "_MIGRATIONS", migrations(tmp_path, _9000="pass"))
    with pytest.raises(SchemaError, match=r"needs 9000; run `syndicate db upgrade`"):
        require_current(database)
    assert upgrade(database) == ["9000"]
    require_current(database)


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for function in (require_current, upgrade):
        with pytest.raises(SchemaError, match="newer Syndicate"):
            function(database)


def test_the_publishers_own_database_is_left_alone(empty_database: Database) -> None:
    with empty_database.write() as session:
        session.connection().execute(text("CREATE TABLE articles (id INTEGER)"))
    with pytest.raises(SchemaError, match=r"articles\); give Syndicate a database of its own"):
        upgrade(empty_database)
    assert inspect(empty_database.engine).get_table_names() == ["articles"]


def test_a_failing_step_leaves_nothing_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, head = describe(database), head_revision()
    broken = "op.create_table('a', sa.Column('id', sa.Integer))\nop.execute('SELECT no_such_function(1)')"
    monkeypatch.setattr(schema, "_MIGRATIONS", migrations(tmp_path, _9000="op.drop_table('meta')", _9001=broken))
    with pytest.raises(Exception, match="no_such_function"):
        upgrade(database)
    assert describe(database) == before
    assert current_revision(database) == head


def test_a_step_that_rebuilds_a_table_keeps_what_refers_to_it(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upgrade(empty_database)
    load(empty_database, head_revision())
    before = counts(empty_database)
    step = "with op.batch_alter_table('subscribers', recreate='auto') as table:\n"
    step += "    table.alter_column('timezone', existing_type=sa.String(), nullable=False, server_default='UTC')"
    fill = "op.execute(\"UPDATE subscribers SET timezone = 'UTC' WHERE timezone IS NULL\")\n"
    monkeypatch.setattr(schema, "_MIGRATIONS", migrations(tmp_path, _9000=fill + step))
    assert upgrade(empty_database)[-1] == "9000"
    assert counts(empty_database) == before
    if empty_database.dialect == "sqlite":  # and enforcement is on again
        with empty_database.read() as session:
            assert session.connection().scalar(text("PRAGMA foreign_keys")) == 1


def test_a_step_that_would_orphan_rows_is_undone(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(sqlite_database, head_revision())
    monkeypatch.setattr(schema, "_MIGRATIONS", migrations(tmp_path, _9000="op.execute('DELETE FROM subscribers')"))
    before = counts(sqlite_database)
    with pytest.raises(SchemaError, match="without their subscribers"):
        upgrade(sqlite_database)
    assert counts(sqlite_database) == before


def test_processes_that_start_at_once_all_succeed(empty_database: Database) -> None:
    program = (
        "import sys; from syndicate.store.engine import Database; from syndicate.store.schema import upgrade\n"
        "import alembic.command; print('ready', flush=True); sys.stdin.readline()\n"
        "print(','.join(upgrade(Database(sys.argv[1]))))"
    )
    url = empty_database.engine.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen([sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert answers == ["", "", ",".join(revisions())]
    require_current(empty_database)
