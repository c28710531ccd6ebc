"""An ordeal: `syndicate` killed (or stopped and woken) again and again while it sends, then the books compared.

The sink knows what arrived, the ledger says what was accepted; `Report.faults` names every promise that was broken.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crash_sink import RunningSink
from publisher import Publisher
from running import free_port
from sqlalchemy import func, select, text, update
from sqlmodel import col

from syndicate.model import AttemptEvent, Counts, DeliveryState, IssueState
from syndicate.service import passes
from syndicate.service.wiring import Services
from syndicate.store.issues import list_issues
from syndicate.store.tables import AttemptRow, DeliveryRow, HolderRow

# What a connection may have marked: each open one leaves at most so many rows in doubt (contract of issue C).
PER_CONNECTION = 4
_PATIENCE = 120.0
_LOOK_EVERY = 0.3
# So many kills come at any moment, most of them before anything is sent.
ANY_MOMENT = 0.1


@dataclass(kw_only=True)
class Report:
    """The books after an ordeal. ``in_doubt`` counts rows that ever were, ``most_in_doubt_per_kill`` those of one kill."""

    database: str
    policy: str
    processes: int
    connections: int
    recipients: int = 0
    accepted: int = 0
    duplicates: int = 0
    lost: int = 0
    in_doubt: int = 0
    kills: int = 0
    kills_while_sending: int = 0
    stops: int = 0
    most_in_doubt_per_kill: int = 0
    unbalanced: int = 0

    def json(self) -> str:
        return json.dumps(asdict(self))

    def faults(self) -> list[str]:
        """The promises that were broken; none, it is hoped."""
        allowed = self.in_doubt if self.policy == "resend" else 0
        most = PER_CONNECTION * self.connections
        found = {
            f"{self.lost} recipients lost": self.lost > 0,
            f"{self.duplicates} duplicates under {self.policy}, {allowed} allowed": self.duplicates > allowed,
            f"{self.most_in_doubt_per_kill} in doubt by one kill, {most} allowed": self.most_in_doubt_per_kill > most,
            f"{self.unbalanced} issues do not balance": self.unbalanced > 0,
            "no kill met a process that was sending: nothing was tried": self.kills_while_sending == 0,
        }
        return [fault for fault, broken in found.items() if broken]


@dataclass
class Ordeal:
    """One publisher with its readers, and what is done to it."""

    folder: Path
    database_url: str
    sink: RunningSink
    policy: str = "skip"
    readers: int = 1000
    connections: int = 4
    processes: int = 1  # that send at the same time; more than one needs PostgreSQL
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.publisher = Publisher(
            self.folder,
            database=self.database_url,
            port=free_port(),
            transport="smtp",
            frequencies=("instant",),
            delivery=f'in_doubt = "{self.policy}"',
            more=f'[[smtp]]\nhost = "127.0.0.1"\nport = {self.sink.port}\ntls_type = "none"\n'
            f"max_conns = {self.connections}\n",
        ).write()
        self.services: Services = self.publisher.services(lambda: datetime.now(UTC))
        self.publisher.subscribe(self.services, self.readers, frequency="instant")
        self.report = Report(
            database=self.services.database.dialect,
            policy=self.policy,
            processes=self.processes,
            connections=self.connections,
        )
        self._stories = 0
        self._resumes = False  # an issue was not finished when the processes were started

    def undergo(self, kills: int, *, stops: int = 0) -> Report:
        """So many kills, with so many stops among them; then what is left is sent in peace, and all is counted."""
        while self._more(kills) or self.report.stops < stops:
            with self._sending() as processes:
                self._wait_for_a_moment(processes)
                if self.report.stops < stops and self.processes > 1:
                    self._stop_and_wake(processes[0])
                if self._more(kills):
                    self._kill(processes[-1])
        self._finish()
        self._count()
        self.publisher.close()
        return self.report

    def _more(self, kills: int) -> bool:
        """Whether to kill on: chance may have it that the first few all come between two messages."""
        return self.report.kills < kills or (not self.report.kills_while_sending and self.report.kills < 4 * kills)

    def _commands(self) -> list[tuple[str, ...]]:
        self._resumes = self._unfinished()
        if self._resumes:
            return [("deliver",), ("deliver",), ("run", "--once"), ("run",)]
        self._stories += 1
        self.publisher.article(f"story-{self._stories}", date=datetime.now(UTC) - timedelta(minutes=5))
        passes.poll(self.services)
        return [("send", "morning"), ("run", "--once"), ("run",)]

    @contextmanager
    def _sending(self) -> Iterator[list[subprocess.Popen[str]]]:
        commands = self._commands()
        chosen = [self.chance.choice(commands)] + [("deliver",)] * (self.processes - 1)
        processes = [self.publisher.start(*command) for command in chosen]
        try:
            yield processes
        finally:
            # The others end in order: what they hold is theirs to finish.
            for process in processes:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in processes:
                process.communicate(timeout=_PATIENCE)

    def _wait_for_a_moment(self, processes: list[subprocess.Popen[str]]) -> None:
        """Mostly a moment after the first message, now and then any moment of a process's life.

        One that ended has had its moment.
        """
        if self.chance.random() < ANY_MOMENT:
            time.sleep(self.chance.uniform(0, 3))
            return
        before, looked_at = self.sink.accepted, time.monotonic()
        end = looked_at + _PATIENCE
        while self.sink.accepted == before:
            assert time.monotonic() < end, "nothing was sent"
            if processes[-1].poll() is not None:
                return
            if self._resumes and time.monotonic() - looked_at > _LOOK_EVERY:
                looked_at = time.monotonic()
                if not self._unfinished():  # all that was left stood in doubt: `run` settles it, and sends nothing
                    return
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0, 1.2))

    def _kill(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is not None:
            return
        process.kill()
        process.wait()
        self.report.kills += 1
        held = self._held_by(process.pid)
        self.report.kills_while_sending += held > 0
        self.report.most_in_doubt_per_kill = max(self.report.most_in_doubt_per_kill, held)
        self._grow_old(process.pid)

    def _stop_and_wake(self, process: subprocess.Popen[str]) -> None:
        """Frozen for longer than a holder may be silent: others take its rows over; woken, it must write nothing."""
        process.send_signal(signal.SIGSTOP)
        self.report.stops += 1
        self._grow_old(process.pid)
        time.sleep(self.chance.uniform(0.5, 8))
        process.send_signal(signal.SIGCONT)

    def _held_by(self, pid: int) -> int:
        with self.services.database.read() as session:
            query = (
                select(func.count())
                .select_from(DeliveryRow)
                .join(HolderRow, col(HolderRow.holder) == col(DeliveryRow.holder))
                .where(col(DeliveryRow.state) == DeliveryState.SENDING.value, col(HolderRow.pid) == pid)
            )
            return int(session.execute(query).scalar_one())

    def _grow_old(self, pid: int) -> None:
        """Let the time pass after which a silent holder counts as dead, without waiting for it."""
        if self.report.database == "postgresql":
            with self.services.database.write() as session:
                ago = text("clock_timestamp() - interval '1 hour'")
                session.execute(update(HolderRow).where(col(HolderRow.pid) == pid).values(seen_at=ago))

    def _unfinished(self) -> bool:
        with self.services.database.read() as session:
            return bool(list_issues(session, states=[IssueState.RUNNING]))

    def _finish(self) -> None:
        end = time.monotonic() + _PATIENCE
        while self._unfinished():
            assert time.monotonic() < end, "what was left is not sent"
            self.publisher.run("deliver")

    def _count(self) -> None:
        report = self.report
        with self.services.database.read() as session:
            issues = list_issues(session, limit=10_000)
            doubts = select(func.count(func.distinct(col(AttemptRow.delivery_id)))).where(
                col(AttemptRow.event) == AttemptEvent.IN_DOUBT.value
            )
            report.in_doubt = int(session.execute(doubts).scalar_one())
        arrived = Counter(self.sink.message_ids())
        totals = _sum(issue.counts for issue in issues)
        report.recipients = sum(issue.recipients for issue in issues)
        report.accepted = totals.accepted
        report.duplicates = sum(count - 1 for count in arrived.values())
        # Neither accepted nor in doubt, or accepted by the ledger alone.
        report.lost = report.recipients - totals.accepted - totals.in_doubt + max(0, totals.accepted - len(arrived))
        report.unbalanced = sum(not issue.balanced for issue in issues)


def _sum(counts: Any) -> Counts:
    totals: Counter[str] = Counter()
    for each in counts:
        totals.update(each.as_dict())
    return Counts(**totals)
