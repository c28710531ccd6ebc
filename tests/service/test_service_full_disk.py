"""The disk of the ledger fills up while mail goes out: the command says what it waits for, and goes on by itself."""

from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path

import pytest
from publisher import Publisher
from smtp_server import RecordingServer


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    while line and words not in line:
        line = process.stderr.readline()
    assert words in line
    return line


@pytest.mark.parametrize("command", [("send", "morning"), ("deliver",)])
def test_what_the_ledger_waits_for_is_told_once_and_the_issue_is_finished(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with RecordingServer() as server:
        paper = Publisher(tmp_path, transport="smtp")
        paper.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\nmax_conns = 2\n'
        paper.write()
        paper.article("a")
        paper.run("poll")
        paper.run("subscribers", "import", str(paper.readers(1200)), "--confirmed")
        if command == ("deliver",):
            paper.run("send", "morning", "--no-wait")
        process = paper.start(*command)
        try:
            while len(server.messages) < 20:
                assert process.poll() is None
                time.sleep(0.005)
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, hard))
            line = read_until(process, "wait to be written")
            assert "subscribers.db" in line
            time.sleep(1.5)  # it tries every half second, and tells it once
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert process.stderr is not None
            assert "it goes on" in process.stderr.readline()
            _, rest = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, rest) == (0, "")
        (issue,) = paper.json("issues", "list")["issues"]
        assert (issue["state"], issue["counts"]["accepted"]) == ("finished", 1200)
        assert len({message.recipient for message in server.messages}) == len(server.messages) == 1200
