"""Backups: all of a database and its keys, on both kinds and across, and never half of it."""

from __future__ import annotations

import json
import secrets
import stat
import tarfile
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from populated import counts, load, migrations
from sqlalchemy import func, inspect, select

from syndicate.io.keys import load_keyring
from syndicate.pipeline.backup import backup, restore
from syndicate.store import schema
from syndicate.store.engine import Database
from syndicate.store.schema import current_revision, head_revision, upgrade
from syndicate.store.tables import EditionRow, MetaRow, SubscriberRow, SubscriptionRow


def contents(database: Database) -> dict[str, list[Any]]:
    """Every value of every table."""
    with database.read() as session:
        return {
            table.name: [
                tuple(row) for row in session.connection().execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in MetaRow.metadata.sorted_tables
        }


def subscriber(number: int, now: datetime) -> SubscriberRow:
    email = f"reader-{number}@reader.example"
    return SubscriberRow(email=email, email_key=email, email_hash=email, domain="reader.example", created_at=now)


def test_a_backup_restores_on_its_own_kind_and_across(
    database: Database, empty_database: Database, keys: Path, new_keys: Path, file: Path, now: datetime
) -> None:
    load(database, head_revision())
    file.parent.mkdir()
    made = backup(database, keys, file, now)
    restored = restore(empty_database, new_keys, file)

    assert contents(empty_database) == contents(database)
    assert min(len(rows) for rows in contents(empty_database).values()) > 0
    assert made.rows == restored.rows
    assert restored.made_at == now
    assert restored.rows["subscribers"] == 3
    assert load_keyring(new_keys) == load_keyring(keys)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(new_keys.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert [path.name for path in new_keys.parent.iterdir()] == [new_keys.name]


def test_a_number_never_comes_back_for_somebody_else(
    database: Database, empty_database: Database, keys: Path, new_keys: Path, file: Path, now: datetime
) -> None:
    file.parent.mkdir()
    with database.write() as session:
        people = [subscriber(number, now) for number in range(5)]
        session.add_all(people)
        session.flush()
        last = people[-1].id
        session.delete(people[-1])
    assert last is not None
    backup(database, keys, file, now)
    restore(empty_database, new_keys, file)
    with empty_database.write() as session:
        fresh = subscriber(9, now)
        session.add(fresh)
        session.flush()
        assert fresh.id == last + 1
        session.add(
            SubscriptionRow(subscriber_id=last + 1, digest="d", state="confirmed", frequency="daily", created_at=now)
        )


def test_many_rows_and_large_bodies_go_in_parts(
    sqlite_database: Database, postgres_database: Database, keys: Path, new_keys: Path, file: Path, now: datetime
) -> None:
    load(sqlite_database, head_revision())
    with sqlite_database.write() as session:
        session.add_all(subscriber(number, now) for number in range(2500))
        for number in range(5):
            body = secrets.token_bytes(1_500_000)
            session.add(
                EditionRow(issue_id=1, key=f"n{number}", language="en", subject="s", message=body, composed_at=now)
            )
    file.parent.mkdir()
    backup(sqlite_database, keys, file, now)
    with tarfile.open(file) as tar:
        sizes = {info.name: info.size for info in tar}
    assert len([name for name in sizes if name.startswith("tables/subscribers/")]) == 3
    assert len([name for name in sizes if name.startswith("tables/editions/")]) == 2
    assert max(sizes.values()) < 8_000_000
    restore(postgres_database, new_keys, file)
    assert contents(postgres_database) == contents(sqlite_database)


def test_a_backup_is_one_moment_while_others_write(
    database: Database, empty_database: Database, keys: Path, new_keys: Path, file: Path, now: datetime
) -> None:
    with database.write() as session:
        session.add_all(subscriber(number, now) for number in range(1000))
    file.parent.mkdir()
    written = 0
    stop, going = threading.Event(), threading.Event()

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            with database.write() as session:
                person = subscriber(10_000 + written, now)
                session.add(person)
                session.flush()
                assert person.id is not None
                session.add(
                    SubscriptionRow(
                        subscriber_id=person.id, digest="d", state="confirmed", frequency="daily", created_at=now
                    )
                )
            written += 1
            if written == 3:
                going.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert going.wait(30)
        before = written
        made = backup(database, keys, file, now)
        after = written
    finally:
        stop.set()
        thread.join()
    assert after > before
    restore(empty_database, new_keys, file)
    assert before <= made.rows["subscriptions"] <= after + 1
    assert made.rows["subscribers"] == 1000 + made.rows["subscriptions"]
    with empty_database.read() as session:
        whole = select(func.count()).select_from(SubscriberRow).join(SubscriptionRow)
        assert session.scalar(whole) == made.rows["subscriptions"]


def test_an_upgraded_but_empty_database_will_do(database: Database, new_keys: Path, made: Path) -> None:
    restore(database, new_keys, made)
    assert counts(database)["subscribers"] == 3


@pytest.mark.parametrize("upgraded_before", [False, True])
def test_a_backup_of_an_older_schema_is_upgraded(
    empty_database: Database,
    new_keys: Path,
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    upgraded_before: bool,
) -> None:
    if upgraded_before:
        with empty_database.write() as session:
            session.connection().exec_driver_sql("CREATE TABLE theirs (id INTEGER)")
    step = "op.add_column('subscribers', sa.Column('pronouns', sa.String(), server_default='they'))"
    monkeypatch.setattr(schema, "_MIGRATIONS", migrations(tmp_path, _9000=step))
    if upgraded_before:
        upgrade(empty_database)
    restore(empty_database, new_keys, made)
    assert current_revision(empty_database) == "9000"
    with empty_database.read() as session:
        pronouns = session.connection().exec_driver_sql("SELECT pronouns FROM subscribers").scalars().all()
    assert pronouns == ["they"] * 3
    assert ("theirs" in inspect(empty_database.engine).get_table_names()) == upgraded_before


def test_the_file_is_plain_to_read(made: Path) -> None:
    with tarfile.open(made) as tar:
        names = tar.getnames()
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        people = tar.extractfile("tables/subscribers/000001.jsonl").read()  # type: ignore[union-attr]
    assert names[:2] == ["manifest.json", "secret.key"]
    assert manifest["format"] == 1
    assert manifest["schema"] == head_revision()
    assert manifest["last_ids"]["subscribers"] == 5
    assert json.loads(people.splitlines()[0])["created_at"] == "2026-11-01T08:00:00+00:00"
