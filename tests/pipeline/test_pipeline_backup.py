"""Backups: all of a database and its keys, on both kinds and across, and never half of it."""

from __future__ import annotations

import gzip
import io
import json
import resource
import secrets
import shutil
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from populated import counts, load, migrations
from sqlalchemy import func, inspect, select

from syndicate.errors import BackupError, SchemaError
from syndicate.io.keys import load_keyring
from syndicate.pipeline.backup import backup, restore
from syndicate.store import schema
from syndicate.store.engine import Database
from syndicate.store.schema import current_revision, head_revision, upgrade
from syndicate.store.tables import EditionRow, MetaRow, SubscriberRow, SubscriptionRow


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "secret.key"
    load_keyring(path)
    return path


@pytest.fixture
def new_keys(tmp_path: Path) -> Path:
    """Where the keys of the restored database go."""
    return tmp_path / "new" / "secret.key"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "courier.backup"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Database]:
    """An empty database, for what fails before the kind of database matters."""
    database = Database(f"sqlite:///{tmp_path / 'target.db'}")
    yield database
    database.close()


@pytest.fixture
def made(sqlite_template: Path, keys: Path, file: Path, now: datetime, tmp_path: Path) -> Path:
    """A good backup of a populated database."""
    shutil.copyfile(sqlite_template, tmp_path / "made.db")
    database = Database(f"sqlite:///{tmp_path / 'made.db'}")
    load(database, head_revision())
    file.parent.mkdir()
    backup(database, keys, file, now)
    database.close()
    return file


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


def rewritten(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
    """Pass every part of a backup through a function and pack them again, so that all checksums are right."""
    with tarfile.open(path) as tar:
        parts = [(info.name, member.read()) for info in tar if (member := tar.extractfile(info))]
    with tarfile.open(path, "w:gz") as tar:
        for part in parts:
            changed = change(*part)
            if changed:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                tar.addfile(info, io.BytesIO(changed[1]))


def assert_untouched(database: Database, keys: Path) -> None:
    assert current_revision(database) is None
    assert inspect(database.engine).get_table_names() == []
    assert not keys.parent.exists() or list(keys.parent.iterdir()) == []


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


def test_a_filled_database_is_refused(database: Database, new_keys: Path, made: Path) -> None:
    load(database, head_revision())
    before = contents(database)
    with pytest.raises(
        BackupError, match=r"already holds 3 subscribers, 3 articles, 3 issues, 2 suppressions; nothing"
    ):
        restore(database, new_keys, made)
    assert contents(database) == before
    assert not new_keys.exists()


def test_other_keys_are_never_overwritten(target: Database, new_keys: Path, made: Path) -> None:
    load_keyring(new_keys)
    before = new_keys.read_bytes()
    with pytest.raises(BackupError, match=r"holds other keys .* move the file away"):
        restore(target, new_keys, made)
    assert new_keys.read_bytes() == before
    assert current_revision(target) is None


def test_the_same_keys_may_be_there(target: Database, keys: Path, made: Path) -> None:
    restore(target, keys, made)
    assert counts(target)["subscribers"] == 3


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_backup_changes_nothing(target: Database, new_keys: Path, made: Path, share: float) -> None:
    whole = made.read_bytes()
    made.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BackupError, match=r"courier\.backup is damaged or no backup"):
        restore(target, new_keys, made)
    assert_untouched(target, new_keys)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.95])
def test_a_flipped_byte_is_noticed(target: Database, new_keys: Path, made: Path, share: float) -> None:
    data = bytearray(made.read_bytes())
    data[int(len(data) * share)] ^= 0x10
    made.write_bytes(data)
    with pytest.raises(BackupError):
        restore(target, new_keys, made)
    assert_untouched(target, new_keys)


def drop(prefix: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, data: None if name.startswith(prefix) else (name, data)


def edit(part: str, old: bytes, new: bytes) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    def change(name: str, data: bytes) -> tuple[str, bytes]:
        assert name != part or old in data
        return name, data.replace(old, new) if name == part else data

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("tables/subscribers/"), "rows of subscribers are missing"),
        (drop("manifest"), "does not begin with a manifest"),
        (drop("secret"), "the keys are missing"),
        (edit("secret.key", b"sign k1", b"sing k1"), "its keys cannot be read"),
        (edit("manifest.json", b'"subscribers": 3', b'"subscribers": "3"'), "manifest is not complete"),
        (edit("manifest.json", b'"format": 1', b'"format": 2'), "has format 2"),
        (lambda name, data: ("../../etc/passwd", data) if "holders" in name else (name, data), "has no place in one"),
    ],
)
def test_what_is_no_whole_backup_changes_nothing(
    target: Database, new_keys: Path, made: Path, change: Any, message: str
) -> None:
    rewritten(made, change)
    with pytest.raises(BackupError, match=message):
        restore(target, new_keys, made)
    assert_untouched(target, new_keys)


@pytest.mark.parametrize(
    "change",
    [
        edit("tables/subscriptions/000001.jsonl", b'"subscriber_id": 5', b'"subscriber_id": 99'),
        edit("tables/issues/000001.jsonl", b'"state": "finished"', b'"state": "ended"'),
        edit("tables/issues/000001.jsonl", b'"recipients": 9', b'"recipients": [9]'),
        edit("tables/issues/000001.jsonl", b'"digest"', b'"campaign"'),
        edit("tables/editions/000001.jsonl", b'"message": "', b'"message": "!'),
        edit("tables/holders/000001.jsonl", b"2026-", b"MMXXVI-"),
        edit("tables/holders/000001.jsonl", b"{", b"["),
    ],
)
def test_rows_that_do_not_fit_leave_an_empty_database(
    empty_database: Database, new_keys: Path, made: Path, change: Any
) -> None:
    rewritten(made, change)
    with pytest.raises(BackupError, match=r"the rows of \w+ do not fit"):
        restore(empty_database, new_keys, made)
    assert {name: rows for name, rows in counts(empty_database).items() if rows} == {
        "alembic_version": 1,
        "counters": 2,
    }


def test_a_backup_of_a_newer_schema_is_refused(target: Database, new_keys: Path, made: Path) -> None:
    rewritten(made, edit("manifest.json", f'"schema": "{head_revision()}"'.encode(), b'"schema": "9999"'))
    with pytest.raises(SchemaError, match="schema 9999, which this version"):
        restore(target, new_keys, made)
    assert_untouched(target, new_keys)


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "gzip"])
def test_other_files_are_no_backup(target: Database, new_keys: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("email\nada@reader.example\n")
    elif kind == "gzip":
        path.write_bytes(gzip.compress(b"email\n" * 1000))
    with pytest.raises(BackupError, match=r"other (is damaged or no backup|cannot be read)"):
        restore(target, new_keys, path)
    assert_untouched(target, new_keys)


def test_a_mistyped_name_costs_no_database(
    sqlite_database: Database, keys: Path, tmp_path: Path, now: datetime
) -> None:
    path = Path(str(sqlite_database.engine.url.database))
    before = path.read_bytes()
    for target in (path, keys, tmp_path):
        with pytest.raises(BackupError, match="is no backup; it was left as it is"):
            backup(sqlite_database, keys, target, now)
    assert path.read_bytes() == before


def test_a_backup_without_keys_is_none(sqlite_database: Database, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(BackupError, match=r"the keys in .* cannot be read"):
        backup(sqlite_database, tmp_path / "no.key", tmp_path / "b", now)
    assert not (tmp_path / "b").exists()


def test_a_database_without_schema_is_not_backed_up(
    empty_database: Database, keys: Path, tmp_path: Path, now: datetime
) -> None:
    with pytest.raises(SchemaError, match="syndicate db upgrade"):
        backup(empty_database, keys, tmp_path / "b", now)


def test_a_full_disk_leaves_the_older_backup(sqlite_database: Database, keys: Path, made: Path, now: datetime) -> None:
    before = made.read_bytes()
    load(sqlite_database, head_revision())
    with sqlite_database.write() as session:
        body = secrets.token_bytes(600_000)
        session.add(EditionRow(issue_id=1, key="big", language="en", subject="s", message=body, composed_at=now))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # writing further fails, as on a full disk
    try:
        with pytest.raises(BackupError, match=r"courier\.backup was not written: File too large"):
            backup(sqlite_database, keys, made, now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert made.read_bytes() == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_a_folder_that_is_not_there_is_named(
    sqlite_database: Database, keys: Path, tmp_path: Path, now: datetime
) -> None:
    with pytest.raises(BackupError, match="nowhere/b was not written: No such file or directory"):
        backup(sqlite_database, keys, tmp_path / "nowhere" / "b", now)


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
