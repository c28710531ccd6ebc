"""``syndicate worker`` as it is called; what workers do: ``tests/service/test_service_workers.py``."""

from __future__ import annotations

from pathlib import Path

import httpx
from calls import Call
from publisher import Publisher
from running import free_port, stop, until


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


def test_a_worker_can_be_watched(tmp_path: Path, postgres_url: str) -> None:
    paper, place = Publisher(tmp_path, database=postgres_url).write(), f"127.0.0.1:{free_port()}"
    process = paper.start("worker", "--watch", place)

    def status(path: str) -> int:
        try:
            return httpx.get(f"http://{place}{path}").status_code
        except httpx.HTTPError:
            assert process.poll() is None, process.communicate()
            return 0

    try:
        until(lambda: status("/healthz") == 200, "it answers")
        assert status("/readyz") == 200
        assert "syndicate_database_up 1.0" in httpx.get(f"http://{place}/metrics").text
        assert [status(path) for path in ("/", "/admin", "/api/v1/articles")] == [404] * 3
        stop(process)
        assert process.returncode == 0
    finally:
        process.kill()


def test_an_address_that_is_none_is_refused(tmp_path: Path, postgres_url: str) -> None:
    paper = Publisher(tmp_path, database=postgres_url).write()
    assert "--watch: expected" in paper.run("worker", "--watch", "somewhere", status=2)
