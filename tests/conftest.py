"""What all tests share: migrated databases on SQLite and PostgreSQL, a fixed time, a keyring, Hypothesis profiles.

How a PostgreSQL server comes about lives in ``postgres.py``.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from opening import opened
from postgres import PostgresServer, postgres_server
from postgres_copies import Copies

from syndicate.model import Keyring, SigningKey
from syndicate.store.engine import Database
from syndicate.store.schema import upgrade

# A shared runner is sometimes slow for a moment; that is no fault of the code under test.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
settings.register_profile("deep", parent=settings.get_profile("quick"), max_examples=300)  # make test-slow
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_numbers = count()


@pytest.fixture
def now() -> datetime:
    """A Sunday morning, after the DST changes of autumn."""
    return datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def keyring() -> Keyring:
    """Two generations of keys: the first signs, both verify."""
    newest = SigningKey(id="k2", secret=b"the newer key of the tests, 32 b.")
    older = SigningKey(id="k1", secret=b"the older key of the tests, 32 b.")
    return Keyring(keys=(newest, older), hash_key=b"the hash key of the tests, 32 b..")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()  # the last connection folds the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this test process, started when the first test needs it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Iterator[str]:
    """The name of a migrated PostgreSQL database to copy."""
    with postgres.database() as name:
        database = Database(postgres.url(name))
        upgrade(database)
        database.close()
        yield name


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite file of this test's own."""
    path = tmp_path / f"subscribers-{next(_numbers)}.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_copies(postgres: PostgresServer, postgres_template: str) -> Iterator[Copies]:
    """Copies of the migrated PostgreSQL database; they go from test to test."""
    copies = Copies(postgres, postgres_template)
    yield copies
    copies.close()


@pytest.fixture
def postgres_url(postgres_copies: Copies) -> Iterator[str]:
    """The address of a fresh, migrated PostgreSQL database, for the time of this test its own."""
    with postgres_copies.one() as name:
        yield postgres_copies.server.url(name)


@pytest.fixture
def empty_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a PostgreSQL database without any table."""
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """For a test that is about SQLite."""
    with opened(sqlite_url) as database:
        yield database


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """For a test that is about PostgreSQL."""
    with opened(postgres_url) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh, migrated database, once on each kind: for tests that start processes."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database, once on each kind."""
    with opened(database_url) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, once on each kind."""
    sqlite = request.param == "sqlite"
    with opened(
        f"sqlite:///{tmp_path / 'empty.db'}" if sqlite else request.getfixturevalue("empty_postgres_url")
    ) as database:
        yield database


@pytest.fixture
def other_database(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """A fresh, migrated database of the other kind than ``database``."""
    with opened(request.getfixturevalue("postgres_url" if database.dialect == "sqlite" else "sqlite_url")) as other:
        yield other


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name functions by their name: their address differs between the processes of pytest-xdist."""
    return getattr(val, "__name__", None) if callable(val) and not isinstance(val, type) else None


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command run in this process sets the logs up for a process of its own; the next test must not notice."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
