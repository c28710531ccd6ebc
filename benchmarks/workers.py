"""One worker against two: a relay that answers in 20 ms, through ten connections for each, on PostgreSQL.

python benchmarks/workers.py [--messages N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from send import free_port, listening, sink
from sending_world import World, end

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres import postgres_server

CONNECTIONS = 10
ROUND_TRIP = 20  # milliseconds


@contextmanager
def worker(world: World) -> Iterator[None]:
    """A worker that has said that it is ready."""
    command = [sys.executable, "-m", "syndicate", "-c", str(world.config), "worker", "--connections", str(CONNECTIONS)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "sending from" in line:
            break
    try:
        yield
    finally:
        end(process)


def rate(folder: Path, database: str, port: int, workers: int, messages: int) -> float:
    """Messages a second, from the first delivery taken up to the end of the issue."""
    world = World(folder, database)
    world.write_config({"port": port, "connections": 2 * CONNECTIONS})
    world.freeze(messages)
    world.command("issues", "pause", "1")
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(worker(world))
        world.command("issues", "resume", "1")
        while json.loads(world.command("issues", "show", "1"))["state"] != "finished":
            time.sleep(2)
    count, seconds = world.sent()
    assert count == messages, f"{count} of {messages} were accepted"
    return messages / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    port, far = free_port(), free_port()
    proxy = [sys.executable, str(Path(__file__).with_name("delaying_proxy.py")), str(far), str(port), str(ROUND_TRIP)]
    found: dict[int, list[float]] = {1: [], 2: []}
    with postgres_server() as server, sink(port), listening(proxy, far):
        for workers in [1, 2] * options.rounds:
            with tempfile.TemporaryDirectory() as folder, server.database() as name:
                found[workers].append(rate(Path(folder), server.url(name), far, workers, options.messages))
    one, two = (statistics.median(found[workers]) for workers in (1, 2))
    print(
        json.dumps(
            {
                "benchmark": "workers",
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
                "messages": options.messages,
                "connections_each": CONNECTIONS,
                "answer_ms": ROUND_TRIP,
                "one_per_second": round(one, 1),
                "two_per_second": round(two, 1),
                "ratio": round(two / one, 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
