"""Statements that both databases know but SQLAlchemy spells by dialect: insert what is new, many rows or keys at once.

Many rows travel as one JSON text and are taken apart by the database, not by executemany: with that, an import of 1,000
lines took 240 ms of CPU, and 140 ms with this (measured on SQLite, on a busy machine).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    any_,
    cast,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def upsert(session: Session, table: Table) -> Any:
    """``INSERT`` of the session's dialect, which knows ``ON CONFLICT``."""
    return upsert_in(dialect_of(session), table)


def upsert_in(dialect: str, table: Table) -> Any:
    """``INSERT`` of a dialect, which knows ``ON CONFLICT``: for statements that are built once for all sessions."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def dialect_of(session: Session) -> str:
    """The name of the session's dialect: ``sqlite`` or ``postgresql``."""
    return session.get_bind().dialect.name


def free(session: Session, query: Select[Any]) -> Select[Any]:
    """The rows of a query that no other transaction is changing, locked: for the ``IN`` of what takes many rows up.

    Two takers that wait for each other's rows would be a deadlock on PostgreSQL; SQLite has one writer at a time.
    """
    return query.with_for_update(skip_locked=True) if _is_postgres(session) else query


def insert_new(session: Session, table: type[SQLModel], row: Mapping[str, Any], unique: Sequence[str]) -> bool:
    """Insert a row unless its ``unique`` columns stand already. Says whether it is new.

    Two processes may insert the same row at once: the second waits for the first and then finds it there.
    """
    target: Any = table.__table__  # type: ignore[attr-defined]
    statement = upsert(session, target).values(dict(row)).on_conflict_do_nothing(index_elements=list(unique))
    # The row count of such an INSERT is unknown to psycopg; a row that was not inserted returns nothing.
    return session.connection().execute(statement.returning(*target.primary_key)).first() is not None


def insert_many(
    session: Session,
    table: Table,
    names: Sequence[str],
    rows: Sequence[Sequence[str | int | None]],
    constants: Mapping[str, Any],
    *,
    derived: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _fields: {},
    unique: Sequence[str] = (),
    returning: Sequence[str] = (),
) -> Sequence[Any]:
    """Insert rows of texts and whole numbers in one statement; ``names`` are their columns, in order.

    ``constants`` hold the columns that are the same for all, of any type; ``derived`` makes expressions of a row's
    fields for others. With ``unique``, rows that stand there stay. Returns these columns of those that were inserted.
    """
    if not rows:
        return []
    text = literal(json.dumps(rows, ensure_ascii=False))
    if _is_postgres(session):
        values = func.json_array_elements(cast(text, JSON)).table_valued(column("value", JSON))
    else:
        values = func.json_each(text).table_valued("value")
    fields = {name: _field(session, values.c.value, place, table.c[name]) for place, name in enumerate(names)}
    same = {name: literal(value, table.c[name].type) for name, value in constants.items()}
    columns = {**fields, **same, **derived(fields)}
    # Without WHERE, SQLite would read the ON of ON CONFLICT as that of a join.
    source = select(*columns.values()).select_from(values).where(true())
    statement = upsert(session, table).from_select(list(columns), source)
    if unique:
        statement = statement.on_conflict_do_nothing(index_elements=list(unique))
    if not returning:
        session.connection().execute(statement)
        return []
    return session.connection().execute(statement.returning(*(table.c[name] for name in returning))).all()


def among(session: Session, where: Column[Any], values: Sequence[str | int]) -> ColumnElement[bool]:
    """``where IN values`` with one parameter, however many values there are; found by index on both databases."""
    kind = ARRAY(where.type) if _is_postgres(session) else None
    return among_in(dialect_of(session), where, literal(key_list(session, values), kind))


def among_in(dialect: str, where: Column[Any], values: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same for a statement that is built once; its parameter is given by ``key_list``."""
    if dialect == "postgresql":
        return where == any_(cast(values, ARRAY(where.type)))
    return where.in_(select(func.json_each(values).table_valued("value").c.value))


def key_list(session: Session, values: Sequence[str | int]) -> Any:
    """The one parameter of ``among_in``: an array, or on SQLite a JSON text."""
    return list(values) if _is_postgres(session) else json.dumps(list(values), ensure_ascii=False)


def rows_among(
    session: Session, where: Sequence[ColumnElement[Any]], rows: Sequence[Sequence[str | int]]
) -> ColumnElement[bool]:
    """``(a, b) IN rows`` for columns of texts and whole numbers, with one parameter, however many rows there are.

    Texts are compared as they stand in the database, whatever the type makes of them in Python.
    """
    text = literal(json.dumps(rows, ensure_ascii=False))
    if _is_postgres(session):
        listed = func.json_array_elements(cast(text, JSON)).table_valued(column("value", JSON))
    else:
        listed = func.json_each(text).table_valued("value")
    fields = [_field(session, listed.c.value, place, target) for place, target in enumerate(where)]
    return tuple_(*where).in_(select(*fields).select_from(listed))


def _field(session: Session, row: Any, place: int, target: ColumnElement[Any]) -> Any:
    if not _is_postgres(session):
        return func.json_extract(row, f"$[{place}]")
    text = row.op("->>")(place)
    return cast(text, Integer) if isinstance(target.type, Integer) else text


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
