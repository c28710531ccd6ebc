"""An operator's word to a sending process, and SIGTERM: what is on the wire is finished, nothing more is begun."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from publisher import Publisher
from running import until
from smtp_faults import FaultServer, Silence
from smtp_server import HOST, RecordingServer

from syndicate.model import Issue, IssueState
from syndicate.pipeline import control
from syndicate.service import passes
from syndicate.service.wiring import Services
from syndicate.store.issues import get_issue

CONNECTIONS = 2
READERS = 30


class SlowServer(RecordingServer):
    """Answers each message after a while."""

    seconds = 1.5

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self.seconds)
        return await super().handle_DATA(server, session, envelope)


def paper_for(folder: Path, url: str, port: int) -> tuple[Publisher, Services]:
    paper = Publisher(folder, database=url, transport="smtp", frequencies=("daily",))
    paper.more = f'[[smtp]]\nhost = "{HOST}"\nport = {port}\ntls_type = "none"\nmax_conns = {CONNECTIONS}\n'
    paper.write()
    services = paper.services(lambda: datetime.now(UTC))
    paper.subscribe(services, READERS)
    paper.article("story")
    passes.poll(services)
    return paper, services


def issue(services: Services) -> Issue:
    with services.database.read() as session:
        return get_issue(session, 1)


@contextmanager
def sending(paper: Publisher, *command: str) -> Iterator[subprocess.Popen[str]]:
    process = paper.start(*command)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["pause", "cancel"])
def test_what_is_not_on_the_wire_is_released_at_once(tmp_path: Path, database_url: str, how: str) -> None:
    with SlowServer() as server:
        paper, services = paper_for(tmp_path, database_url, server.port)
        with sending(paper, "send", "morning") as process:
            until(lambda: server.accepted >= 1, "the first message")
            {"pause": control.pause, "cancel": control.cancel}[how](services.database, 1, services.clock())
            before = server.accepted
            out, _ = process.communicate(timeout=60)
        # One on each connection, and one more where it was begun just before the word was heard.
        assert server.accepted - before <= 2 * CONNECTIONS
        found = issue(services)
        assert (found.counts.accepted, found.counts.sending, found.balanced) == (server.accepted, 0, True)
        assert process.returncode == 0
        if how == "pause":
            assert found.state is IssueState.PAUSED
            assert "issue 1, morning manual/" in out
            assert found.counts.queued == READERS - server.accepted
            server.seconds = 0.0
            control.resume(services.database, 1, services.clock())
            paper.run("deliver")
            assert issue(services).counts.accepted == server.accepted == READERS
        else:
            assert (found.state, found.counts.queued) == (IssueState.CANCELLED, 0)
        paper.close()


COMMANDS = [("send", "morning"), ("deliver",), ("run", "--once"), ("run",)]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_sigterm_waits_for_the_answers_of_a_slow_server(
    tmp_path: Path, sqlite_url: str, command: tuple[str, ...]
) -> None:
    with SlowServer() as server:
        paper, services = paper_for(tmp_path, sqlite_url, server.port)
        if command[0] != "send":
            paper.run("send", "morning", "--no-wait")
        with sending(paper, *command) as process:
            until(lambda: server.accepted >= 1, "the first message")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        found = issue(services)
        assert (found.counts.accepted, found.counts.sending, found.counts.in_doubt) == (server.accepted, 0, 0)
        assert (found.balanced, found.counts.queued) == (True, READERS - server.accepted)
        paper.close()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("stage", "in_doubt"), [("message", True), ("rcpt", False), ("banner", False)])
def test_sigterm_does_not_wait_for_a_silent_server(
    tmp_path: Path, sqlite_url: str, command: tuple[str, ...], stage: Any, in_doubt: bool
) -> None:
    """Each reply may take five minutes; a process that is told to stop has ten seconds."""
    with FaultServer({stage: Silence()}) as server:
        paper, services = paper_for(tmp_path, sqlite_url, server.port)
        if command[0] != "send":
            paper.run("send", "morning", "--no-wait")
        with sending(paper, *command) as process:
            until(lambda: server.seen.connections >= CONNECTIONS, "connections")
            if in_doubt:
                until(lambda: len(server.seen.messages) >= CONNECTIONS, "messages")
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=40)  # far below the five minutes
        assert "Traceback" not in log
        found = issue(services)
        assert found.balanced
        assert (found.counts.accepted, found.counts.sending) == (0, 0)
        assert found.counts.in_doubt == (CONNECTIONS if in_doubt else 0)
        assert found.counts.queued >= READERS - CONNECTIONS
        paper.close()
