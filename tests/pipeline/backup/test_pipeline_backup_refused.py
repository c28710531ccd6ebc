"""Backups that are damaged, foreign or misplaced, and places that are not empty: all is told, nothing is changed."""

from __future__ import annotations

import gzip
import io
import resource
import secrets
import tarfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from populated import counts, load
from sqlalchemy import inspect, select

from syndicate.errors import BackupError, SchemaError
from syndicate.io.keys import load_keyring
from syndicate.pipeline.backup import backup, restore
from syndicate.store.engine import Database
from syndicate.store.schema import current_revision, head_revision
from syndicate.store.tables import EditionRow, MetaRow


def contents(database: Database) -> dict[str, list[Any]]:
    """Every value of every table."""
    with database.read() as session:
        return {
            table.name: [
                tuple(row) for row in session.connection().execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in MetaRow.metadata.sorted_tables
        }


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


def test_a_filled_database_is_refused(database: Database, new_keys: Path, made: Path) -> None:
    load(database, head_revision())
    before = contents(database)
    with pytest.raises(
        BackupError, match=r"already holds 3 subscribers, 3 articles, 4 issues, 2 suppressions; nothing"
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
