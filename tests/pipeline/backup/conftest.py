"""A good backup, and where it comes from and goes to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from populated import load

from syndicate.io.keys import load_keyring
from syndicate.pipeline.backup import backup
from syndicate.store.engine import Database
from syndicate.store.schema import head_revision


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
