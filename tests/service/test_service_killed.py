"""The process killed at any moment: the next start goes on, nothing is lost, nothing is sent twice, the ledger balances."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from publisher import Publisher
from running import PATIENCE
from smtp_server import RecordingServer

from syndicate.store.holders import DEAD_AFTER

CONNECTIONS = 3
READERS = 150


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def paper_for(folder: Path, url: str, server: RecordingServer, policy: str) -> Publisher:
    paper = Publisher(
        folder, database=url, transport="smtp", frequencies=("instant",), delivery=f'in_doubt = "{policy}"'
    )
    paper.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\nmax_conns = {CONNECTIONS}\n'
    paper.write()
    services = paper.services(lambda: datetime.now(UTC))
    paper.subscribe(services, READERS, frequency="instant")
    paper.close()
    return paper


def kill_somewhere(paper: Publisher, server: RecordingServer, chance: random.Random) -> None:
    """Kill ``run --once`` either while it sends (after some messages) or at any moment of its life."""
    enough = len(server.messages) + chance.randrange(1, READERS)
    moment = time.monotonic() + chance.uniform(0.5, 4)
    process = paper.start("run", "--once")
    while process.poll() is None and len(server.messages) < enough and time.monotonic() < moment:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def settle(paper: Publisher) -> list[Any]:
    issues: list[Any] = []
    end = time.monotonic() + DEAD_AFTER.total_seconds() + PATIENCE  # only then is a killed process taken for dead
    while time.monotonic() < end:
        paper.run("run", "--once")
        issues = paper.json("issues", "list")["issues"]
        if issues and all(issue["state"] == "finished" for issue in issues):
            break
        time.sleep(1)
    return issues


def check(issues: list[Any], server: RecordingServer, policy: str, kills: int) -> None:
    received = Counter(message_from_bytes(message.data)["Message-ID"] for message in server.messages)
    recipients = sum(issue["recipients"] for issue in issues)
    counts: Counter[str] = Counter()
    for issue in issues:
        assert issue["balanced"], issue
        counts.update(issue["counts"])
    duplicates = sum(count - 1 for count in received.values())
    lost = counts["accepted"] - len(received)
    assert issues
    assert recipients == READERS * len(issues)
    assert counts["in_doubt"] <= kills * CONNECTIONS * 4
    if policy == "skip":
        assert duplicates == 0
        assert counts["accepted"] + counts["in_doubt"] == recipients
        assert lost <= 0  # what is accepted on the ledger has arrived
    else:
        assert counts["accepted"] == len(received) == recipients
        assert duplicates <= kills * CONNECTIONS * 4


@pytest.mark.parametrize("policy", ["skip", "resend"])
def test_a_kill_at_any_moment_loses_nothing(
    tmp_path: Path, database_url: str, server: RecordingServer, policy: str
) -> None:
    chance = random.Random(f"{policy} {database_url.partition(':')[0]}")  # noqa: S311 - not a secret
    paper = paper_for(tmp_path, database_url, server, policy)
    kills = 2
    for number in range(kills):
        paper.article(f"story-{number}", date=datetime.now(UTC) - timedelta(minutes=5))
        kill_somewhere(paper, server, chance)
    check(settle(paper), server, policy, kills)
