"""A publisher on PostgreSQL with worker processes: starts, freezes and kills them, and says what became of an issue."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from publisher import Publisher
from smtp_server import RecordingServer
from sqlalchemy import text

from syndicate.model import Issue
from syndicate.pipeline import control
from syndicate.service.passes import poll, send
from syndicate.service.wiring import Services
from syndicate.service.worker import Worker
from syndicate.store.issues import get_issue

CONNECTIONS = 2
PATIENCE = 90.0


@dataclass
class Fleet:
    """A context manager. ``server`` is the relay of all; every process is ended at the end."""

    folder: Path
    url: str
    server: RecordingServer
    policy: str = "skip"
    retry: str = '["1s"]'
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.paper = Publisher(
            self.folder,
            database=self.url,
            transport="smtp",
            frequencies=("instant",),
            delivery=f'in_doubt = "{self.policy}"\nretry = {self.retry}',
        )
        self.paper.more = (
            f'[[smtp]]\nhost = "127.0.0.1"\nport = {self.server.port}\ntls_type = "none"\nmax_conns = {CONNECTIONS}\n'
        )
        self.paper.write()
        self.services: Services = self.paper.services(lambda: datetime.now(UTC))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            _, log = worker.communicate()
            print(f"--- worker {worker.pid}\n{log}")  # noqa: T201 - shown by pytest when the test failed
        self.paper.close()

    def freeze(self, readers: int) -> int:
        """An issue to so many readers, frozen and waiting; returns its id."""
        self.paper.subscribe(self.services, readers, frequency="instant")
        self.paper.article("story", date=datetime.now(UTC) - timedelta(minutes=5))
        poll(self.services)
        return send(self.services, "morning", wait=False, stop=threading.Event()).issue.id

    def start(self, count: int = 1) -> list[subprocess.Popen[str]]:
        """So many workers more, ready to take batches up."""
        # One that starts takes those out that were silent for long: count the new ones.
        before = self.number("SELECT COALESCE(pg_sequence_last_value('procrastinate_workers_id_seq'), 0)")
        started = [self.paper.start("worker") for _ in range(count)]
        self.workers += started
        new = f"SELECT count(*) FROM procrastinate_workers WHERE id > {before}"  # noqa: S608 - a number
        self.until(lambda: self.number(new) >= count, "workers")
        return started

    @contextmanager
    def hired(self) -> Iterator[Worker]:
        """A worker in this process: for what does not depend on a process of its own."""
        worker = Worker(self.services)
        worker.start()
        try:
            yield worker
        finally:
            assert worker.close(30)

    def server_wide(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection to another database of the same server."""
        address = self.services.database.engine.url.set(drivername="postgresql", database="postgres")
        return psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)

    def number(self, query: str) -> int:
        with self.services.database.read() as session:
            return int(session.connection().scalar(text(query)) or 0)

    def do(self, statement: str) -> None:
        with self.services.database.write() as session:
            session.connection().execute(text(statement))

    def issue(self, issue_id: int) -> Issue:
        with self.services.database.read() as session:
            return get_issue(session, issue_id)

    def holders(self) -> dict[int, int]:
        """How many batches each process holds, by its id."""
        with self.services.database.read() as session:
            rows = session.connection().execute(
                text("SELECT pid, count(*) AS held FROM batches JOIN holders USING (holder) GROUP BY pid")
            )
            return {row.pid: row.held for row in rows}

    def pause(self, issue_id: int) -> None:
        control.pause(self.services.database, issue_id, self.services.clock())

    def resume(self, issue_id: int) -> None:
        control.resume(self.services.database, issue_id, self.services.clock())

    def finished(self, issue_id: int, *, within: float = PATIENCE) -> Issue:
        """The issue, once it is finished."""
        self.until(lambda: self.issue(issue_id).state == "finished", "the issue's end", within=within)
        issue = self.issue(issue_id)
        assert issue.balanced
        return issue

    def until(self, condition: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, f"waited {within} s in vain: {what}"
            time.sleep(0.05)

    def received(self) -> Counter[str]:
        """How often each message arrived."""
        return Counter(message_from_bytes(message.data)["Message-ID"] for message in self.server.messages)

    def duplicates(self) -> int:
        return sum(count - 1 for count in self.received().values())
