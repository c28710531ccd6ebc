"""Power loss on PostgreSQL: what its server had flushed when data arrived is all that is left, and it is enough.

A copy of the data as a checkpoint left it, with the write-ahead log up to the flushed position and zeros after it: all
that came later and was not flushed is gone, as a disk loses it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opening import opened
from postgres import Program, fresh_cluster
from smtp_server import RecordingServer
from sqlalchemy import URL, select, text
from sqlmodel import Session, col
from world import ScriptedSender, World, courier

from syndicate.io.smtp import SmtpSender
from syndicate.model import Keyring
from syndicate.store.holders import DATABASE_RESTARTED
from syndicate.store.schema import upgrade
from syndicate.store.tables import DeliveryRow, SubscriberRow

READERS = 40
COPIES = 4
# As an operator runs it, fsync and synchronous_commit on. A slow WAL writer flushes nothing that was not asked for.
DURABLE = ("autovacuum=off", "max_connections=60", "wal_writer_delay=10s")


@dataclass
class Snapshot:
    """The log as it was flushed when the data of ``recipient`` arrived; ``answered``: those before."""

    log: Path
    recipient: str
    answered: frozenset[str]


class WatchingServer(RecordingServer):
    """Copies the flushed part of the log before it answers a message: a cut at that moment leaves no more."""

    def __init__(self, address: URL, data: Path, folder: Path) -> None:
        super().__init__()
        self.snapshots: list[Snapshot] = []
        self._address = address.render_as_string(hide_password=False)
        self._log = data / "pg_wal"
        self._folder = folder
        self._answered: set[str] = set()
        self._arrived = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        (recipient,) = envelope.rcpt_tos
        self._arrived += 1
        if self._arrived % (READERS // COPIES) == 0:
            self.snapshots.append(Snapshot(self._flushed(), recipient, frozenset(self._answered)))
        answer = await super().handle_DATA(server, session, envelope)
        self._answered.add(recipient)
        return answer

    def _flushed(self) -> Path:
        with psycopg.connect(self._address, autocommit=True) as connection:
            found = connection.execute(
                "SELECT file_name, file_offset FROM pg_walfile_name_offset(pg_current_wal_flush_lsn())"
            ).fetchone()
        assert found is not None
        last, offset = found
        copy = self._folder / f"log-{len(self.snapshots)}"
        copy.mkdir()
        for file in self._log.iterdir():
            if file.is_file() and file.name <= last:
                shutil.copyfile(file, copy / file.name)
        with (copy / last).open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(offset)
            file.write(bytes(size - offset))
        return copy


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the address of a Unix socket has no more than 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def states(session: Session) -> dict[str, str]:
    rows = session.execute(
        select(col(SubscriberRow.email), col(DeliveryRow.state)).join(
            DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id)
        )
    )
    return {email: state for email, state in rows}  # noqa: C416 - rows are not pairs to mypy


@pytest.mark.slow
def test_what_had_reached_the_server_is_never_queued_after_a_cut(folder: Path, keyring: Keyring) -> None:
    now = datetime.now(UTC)
    (folder / "a").mkdir()
    program = fresh_cluster(folder / "a")
    with program.running(folder / "a", DURABLE) as address:
        url = address.render_as_string(hide_password=False)
        with opened(url) as ledger:
            upgrade(ledger)
            world = World(ledger, courier(), keyring, now)
            for number in range(READERS):
                world.subscriber(f"reader{number}@example.org")
            world.article("story")
            world.poll()
            world.compose()
            with psycopg.connect(
                address.set(drivername="postgresql").render_as_string(), autocommit=True
            ) as connection:
                connection.execute("CHECKPOINT")
            shutil.copytree(folder / "a" / "data", folder / "base")
            with WatchingServer(address, folder / "a" / "data", folder) as server:
                world.deliver(SmtpSender([server.relay(max_conns=3)]), alone=False, holder="before")
            assert world.counts(1).accepted == READERS
    assert len(server.snapshots) >= COPIES
    seen = [check(program, folder, number, each, keyring, now) for number, each in enumerate(server.snapshots)]
    assert any(accepted for accepted, _ in seen), "the later ones hold outcomes"


def check(
    program: Program, folder: Path, number: int, snapshot: Snapshot, keyring: Keyring, now: datetime
) -> tuple[int, int]:
    place = folder / f"b{number}"
    place.mkdir()
    shutil.copytree(folder / "base", place / "data")
    (place / "data" / "postmaster.pid").unlink(missing_ok=True)
    for file in (place / "data" / "pg_wal").iterdir():
        if file.is_file():
            file.unlink()
    for file in snapshot.log.iterdir():
        shutil.copyfile(file, place / "data" / "pg_wal" / file.name)
    with (
        program.running(place, DURABLE) as address,
        opened(address.render_as_string(hide_password=False)) as ledger,
    ):
        with ledger.write() as session:
            before = states(session)
            session.execute(text("UPDATE holders SET seen_at = seen_at - interval '1 hour'"))
        accepted = {email for email, state in before.items() if state == "accepted"}
        marked = {email for email, state in before.items() if state == "sending"}
        assert snapshot.recipient in marked
        assert accepted <= snapshot.answered
        assert snapshot.answered <= accepted | marked
        world = World(ledger, courier(), keyring, now)
        sender = ScriptedSender()
        result = world.deliver(sender, alone=False, holder="after")
        assert result.taken_over == len(marked)
        again = {envelope.recipient for envelope in sender.got}
        assert again.isdisjoint(marked | snapshot.answered)
        assert len(again) == READERS - len(marked) - len(accepted)
        with ledger.read() as session:
            after = states(session)
            reasons = (
                session.execute(text("SELECT DISTINCT reason FROM attempts WHERE event = 'in_doubt'")).scalars().all()
            )
        assert {email for email, state in after.items() if state == "in_doubt"} == marked
        assert reasons == [DATABASE_RESTARTED]
        assert world.issue(1).balanced
    return len(accepted), len(marked)
