"""``syndicate worker`` as it is called; what workers do: ``tests/service/test_service_workers.py``."""

from __future__ import annotations

from pathlib import Path

from calls import Call
from publisher import Publisher


def test_on_sqlite_a_worker_says_in_one_line_that_there_is_one_process(tmp_path: Path, syndicate: Call) -> None:
    Publisher(tmp_path).write()
    result = syndicate("worker")
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert "there one process sends: `syndicate run` does it all" in line


def test_without_a_relay_a_worker_does_not_start(tmp_path: Path, syndicate: Call, postgres_url: str) -> None:
    Publisher(tmp_path, database=postgres_url, transport="smtp").write()
    result = syndicate("worker")
    assert result.status != 0
    assert "[[smtp]]" in result.err
