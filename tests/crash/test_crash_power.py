"""Power loss: the ledger as it lay on disk when data reached the server knows of every message that may have left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from opening import opened
from smtp_server import RecordingServer
from sqlalchemy import select, text
from sqlmodel import Session, col
from world import ScriptedSender, World, courier

from syndicate.io.smtp import SmtpSender
from syndicate.model import Keyring
from syndicate.store.engine import Database
from syndicate.store.tables import DeliveryRow, SubscriberRow

READERS = 40
COPIES = 8
CHECKPOINT = 1000 * 4096  # bytes of the log at which SQLite moves it into the file


@dataclass
class Snapshot:
    """The database file and its log as they were when the data of ``recipient`` arrived; ``answered``: those before."""

    file: Path
    recipient: str
    answered: frozenset[str]


class WatchingServer(RecordingServer):
    """Copies the database, from outside, before it answers a message: what was durable then is what a cut leaves."""

    def __init__(self, database: Path, folder: Path) -> None:
        super().__init__()
        self.snapshots: list[Snapshot] = []
        self._database = database
        self._folder = folder
        self._answered: set[str] = set()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        (recipient,) = envelope.rcpt_tos
        if len(self._answered) % (READERS // COPIES) == 0:
            copy = self._folder / f"copy-{len(self.snapshots)}.db"
            for ending in ("-wal", ""):
                shutil.copyfile(f"{self._database}{ending}", f"{copy}{ending}")
            self.snapshots.append(Snapshot(copy, recipient, frozenset(self._answered)))
        answer = await super().handle_DATA(server, session, envelope)
        self._answered.add(recipient)
        return answer


def states(session: Session) -> dict[str, str]:
    rows = session.execute(
        select(col(SubscriberRow.email), col(DeliveryRow.state)).join(
            DeliveryRow, col(DeliveryRow.subscriber_id) == col(SubscriberRow.id)
        )
    )
    return {email: state for email, state in rows}  # noqa: C416 - rows are not pairs to mypy


@pytest.mark.parametrize("policy", ["ask", "skip", "resend"])
def test_what_had_reached_the_server_is_never_queued_on_the_disk(
    sqlite_url: str, tmp_path: Path, keyring: Keyring, now: datetime, policy: str
) -> None:
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    with WatchingServer(database, tmp_path) as server, opened(sqlite_url) as ledger:
        world = World(ledger, courier(), keyring, now)
        for number in range(READERS):
            world.subscriber(f"reader{number}@example.org")
        world.article("story")
        world.poll()
        world.compose()
        sender = SmtpSender([server.relay(max_conns=3)])
        world.deliver(cast("ScriptedSender", sender), in_doubt=policy)
        assert world.counts(1).accepted == READERS
    assert len(server.snapshots) >= COPIES
    for snapshot in server.snapshots:
        check(snapshot, keyring, now, policy)


def check(snapshot: Snapshot, keyring: Keyring, now: datetime, policy: str) -> None:
    # The files were copied one after the other: no checkpoint may have come between.
    assert Path(f"{snapshot.file}-wal").stat().st_size < CHECKPOINT
    with opened(f"sqlite:///{snapshot.file}") as ledger:
        with ledger.write() as session:
            before = states(session)
            for table in ("deliveries", "holders"):
                session.execute(text(f"UPDATE {table} SET holder = 'dead' WHERE holder IS NOT NULL"))  # noqa: S608 - ours
        assert before[snapshot.recipient] == "sending"
        # What the server had answered may not be recorded yet; but nothing is accepted that it had not answered.
        assert {email for email, state in before.items() if state == "accepted"} <= snapshot.answered
        assert {email for email, state in before.items() if state == "queued"}.isdisjoint(snapshot.answered)
        world = World(ledger, courier(), keyring, now)
        sender = ScriptedSender()
        result = world.deliver(sender, in_doubt=cast("Any", policy))
        marked = {email for email, state in before.items() if state == "sending"}
        assert result.taken_over == len(marked)
        again = {envelope.recipient for envelope in sender.got}
        with ledger.read() as session:
            after = states(session)
        if policy == "resend":
            assert (marked <= again, after[snapshot.recipient]) == (True, "accepted")
        else:
            assert (marked & again, after[snapshot.recipient]) == (set(), "in_doubt")
            assert snapshot.answered.isdisjoint(again)
        assert world.issue(1).balanced


def test_every_connection_waits_for_the_disk(sqlite_database: Database) -> None:
    """A commit that the disk has not got would be lost at a power cut, the mark of what left with it."""
    with sqlite_database.write() as session:
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
    with sqlite_database.writer() as begin, begin() as session:
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 2
