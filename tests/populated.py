"""Databases with something in them: the populated fixture of each schema revision, and migrations with more steps."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sqlalchemy import MetaData, func, select

from syndicate.store import schema
from syndicate.store.engine import Database
from syndicate.store.schema import head_revision

FIXTURES = Path(__file__).parent / "data" / "schemas"


def load(database: Database, revision: str) -> None:
    """Run the populated fixture of a revision. Byte strings are the one thing that both dialects write differently."""
    sql = (FIXTURES / f"{revision}.sql").read_text(encoding="utf-8")
    if database.dialect == "postgresql":
        sql = re.sub(r"\bX'([0-9A-F]+)'", r"'\\x\1'", sql)
    with database.engine.begin() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        for statement in sql.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))


def counts(database: Database) -> dict[str, int]:
    """Rows of each table of ours that the database has; on PostgreSQL Procrastinate's stand beside them."""
    found = MetaData()
    found.reflect(database.engine, only=lambda name, _: not name.startswith("procrastinate_"))
    with database.engine.connect() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in found.tables.items()
        }


def migrations(folder: Path, **steps: str) -> Path:
    """A copy of the migrations with more steps at their end: ``_0002="op.drop_table('meta')"``."""
    copy = folder / "migrations"
    shutil.copytree(schema._MIGRATIONS, copy)
    before = head_revision()
    for name, body in steps.items():
        revision = name.lstrip("_")
        lines = [
            "from alembic import op",
            "import sqlalchemy as sa",
            f"revision = '{revision}'",
            f"down_revision = '{before}'",
        ]
        lines += ["def upgrade():", *(f"    {line}" for line in body.splitlines())]
        (copy / "versions" / f"{revision}_step.py").write_text("\n".join(lines))
        before = revision
    return copy
