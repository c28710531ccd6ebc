"""Opening a database: what is refused, what is told of a broken file, and who may read a new one."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from syndicate.errors import StoreError
from syndicate.store.engine import Database
from syndicate.store.schema import current_revision, upgrade


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a.db?uri=true", "sqlite+pysqlite:///a.db"]
)
def test_only_a_plain_file_is_taken(url: str) -> None:
    with pytest.raises(StoreError, match="write it as sqlite:///FILE"):
        Database(url)


@pytest.mark.parametrize("url", ["garbage", "oracle://x", "postgresql://u:p@h:port/d"])
def test_what_is_no_address_of_ours_is_told(url: str) -> None:
    with pytest.raises(StoreError):
        Database(url)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{tmp_path}/new.db")
        upgrade(database)
        with database.write() as session:
            session.execute(text("CREATE TABLE t (a)"))
            assert modes(tmp_path) == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)
        database.close()
    finally:
        os.umask(before)


def test_the_mode_of_a_file_that_is_there_stays(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.chmod(0o640)
    database = Database(sqlite_url)
    assert current_revision(database) is not None
    database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/where.db")
    with pytest.raises(StoreError, match="unable to open database file"):
        upgrade(database)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", [True, False])
def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path, changes: bool) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are notes, and no database at all\n" * 100)
    database = Database(f"sqlite:///{path}", changes=changes)
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"file is not a database; .* put the file aside .* \[service\] database"):
        current_revision(database)
    assert time.monotonic() - started < 10, "no use in trying again"
    database.close()


def test_a_damaged_database_is_told(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    database = Database(sqlite_url)
    with pytest.raises(StoreError, match=r"malformed.*restore"), database.read() as session:
        session.execute(text("SELECT * FROM subscribers")).all()
    database.close()


def test_looking_leaves_a_foreign_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "articles.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE articles (id)")
    connection.close()
    before = path.read_bytes()
    database = Database(f"sqlite:///{path}", changes=False)
    assert current_revision(database) is None
    database.close()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
