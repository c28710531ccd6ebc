"""How fast a digest leaves, against Postfix's load generator `smtp-source -d` in the same run; smtp-sink takes both.

python benchmarks/send.py [--only wire|postgres|delay|signed|freeze|memory] [--messages N] [--rounds N]

Needs smtp-sink and smtp-source (Debian's package postfix; nothing of it has to run). `freeze` and `memory` take minutes
for a million and run only when they are named.
"""

from __future__ import annotations

import argparse
import getpass
import json
import platform
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sending_world import Ran, World, end, run

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from postgres import postgres_server

CONNECTIONS = 10
ROUND_TRIP = 50  # milliseconds


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: install Debian's package postfix (nothing of it has to run)")
    return found


@contextmanager
def listening(command: list[str], port: int) -> Iterator[subprocess.Popen[Any]]:
    """Run a server until the block ends."""
    process = subprocess.Popen(command)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            end(process)


@contextmanager
def sink(port: int) -> Iterator[subprocess.Popen[Any]]:
    user = ["-u", getpass.getuser()] if getpass.getuser() == "root" else []
    with listening([program("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], port) as process:
        yield process


def smtp_source(port: int, messages: int, octets: int) -> Ran:
    options = ["-d", "-s", str(CONNECTIONS), "-l", str(octets), "-m", str(messages)]
    addresses = ["-f", "news@courier.example", "-t", "reader@example.org"]
    return run([program("smtp-source"), *options, *addresses, f"127.0.0.1:{port}"])


def against_smtp_source(world: World, messages: int, rounds: int) -> dict[str, Any]:
    """Rounds of both in turn; the ratio is that of the medians."""
    port = free_port()
    world.write_config({"port": port, "connections": CONNECTIONS})
    _, octets = world.freeze(messages)
    peers, ours = [], []
    idle: list[float] = []
    for _ in range(rounds):
        with sink(port):
            peers.append(smtp_source(port, messages, octets))
        with sink(port):
            sent = world.deliver()
            idle.append(world.deliver().cpu)  # what starting and ending cost, with nothing to do
        count, seconds = world.sent()
        assert count == messages, f"{count} of {messages} were accepted"
        ours.append((seconds, sent))
        world.rewind()
    peer_rate = statistics.median(messages / each.wall for each in peers)
    our_rate = statistics.median(messages / seconds for seconds, _ in ours)
    peer_cpu = statistics.median(each.cpu for each in peers) / messages
    our_cpu = (statistics.median(each.cpu for _, each in ours) - min(idle)) / messages
    return {
        "messages": messages,
        "octets": octets,
        "rounds": rounds,
        "smtp_source_per_second": round(peer_rate),
        "ours_per_second": round(our_rate),
        "ratio": round(our_rate / peer_rate, 2),
        "best_ratio": round(max(peer.wall / seconds for peer, (seconds, _) in zip(peers, ours, strict=True)), 2),
        "smtp_source_cpu_us": round(peer_cpu * 1e6, 1),
        "ours_cpu_us": round(our_cpu * 1e6, 1),
        "cpu_ratio": round(our_cpu / peer_cpu, 2),
        "peak_memory_mb": round(max(each.peak_mb for _, each in ours)),
    }


def signed(world: World, messages: int, rounds: int) -> dict[str, Any]:
    """The same issue without and with signatures (DKIM, RSA and Ed25519), in turn."""
    port = free_port()
    relay = {"port": port, "connections": CONNECTIONS}
    world.write_config(relay)
    _, octets = world.freeze(messages)
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(rounds):
        for signs, each in found.items():
            world.write_config(relay, signed=signs)
            with sink(port):
                sent = world.deliver()
                idle = world.deliver().cpu
            count, seconds = world.sent()
            assert count == messages, f"{count} of {messages} were accepted"
            each.append((messages / seconds, messages / (sent.cpu - idle)))
            world.rewind()
    rates = {
        signs: [round(statistics.median(column)) for column in zip(*each, strict=True)] for signs, each in found.items()
    }
    return {
        "messages": messages,
        "octets": octets,
        "plain_per_second": rates[False][0],
        "signed_per_second": rates[True][0],
        "signed_per_second_of_cpu": rates[True][1],
        "ratio": round(rates[True][0] / rates[False][0], 2),
    }


def over_a_long_path(world: World, messages: int) -> dict[str, Any]:
    """A path of 50 ms round trip, against plain smtplib loops with as many connections."""
    port, far = free_port(), free_port()
    world.write_config({"port": far, "connections": CONNECTIONS})
    _, octets = world.freeze(messages)
    proxy = [sys.executable, str(Path(__file__).with_name("delaying_proxy.py")), str(far), str(port), str(ROUND_TRIP)]
    with sink(port), listening(proxy, far):
        plain = smtplib_loops(far, messages // 4, octets)
        world.deliver()
    count, seconds = world.sent()
    assert count == messages, f"{count} of {messages} were accepted"
    ours = messages / seconds
    return {
        "messages": messages,
        "round_trip_ms": ROUND_TRIP,
        "smtplib_per_second": round(plain, 1),
        "ours_per_second": round(ours, 1),
        "ratio": round(ours / plain, 2),
    }


def smtplib_loops(port: int, messages: int, octets: int) -> float:
    """Messages a second of threads that call `sendmail` in a loop."""
    body = b"Subject: The night ferry returns\r\n\r\n" + (b"x" * 70 + b"\r\n") * (octets // 72)
    share = messages // CONNECTIONS

    def loop() -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench.courier.example") as server:
            for number in range(share):
                server.sendmail("news@courier.example", [f"reader{number}@example.org"], body)

    threads = [threading.Thread(target=loop) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return share * CONNECTIONS / (time.perf_counter() - began)


def freezing(database: str, readers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), database)
        world.write_config()
        seconds, _ = world.freeze(readers)
    return {"recipients": readers, "seconds": round(seconds, 2)}


def memory(messages: list[int]) -> dict[str, Any]:
    """Peak memory of the sending process by the number of recipients."""
    found = {}
    for count in messages:
        with tempfile.TemporaryDirectory() as folder:
            world, port = World(Path(folder)), free_port()
            world.write_config({"port": port, "connections": CONNECTIONS})
            world.freeze(count)
            with sink(port):
                found[str(count)] = round(world.deliver().peak_mb, 1)
    return {"peak_memory_mb": found}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["wire", "postgres", "delay", "signed", "freeze", "memory"])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    wanted = [options.only] if options.only else ["wire", "postgres", "delay", "signed"]
    report: dict[str, Any] = {
        "benchmark": "send",
        "connections": CONNECTIONS,
        "machine": f"{platform.machine()}, {platform.processor() or 'unknown'}, Python {platform.python_version()}",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if "wire" in wanted:
            (path / "wire").mkdir()
            report["sqlite"] = against_smtp_source(World(path / "wire"), options.messages, options.rounds)
        if "postgres" in wanted:
            (path / "postgres").mkdir()
            with postgres_server() as server, server.database() as name:
                world = World(path / "postgres", server.url(name))
                report["postgresql"] = against_smtp_source(world, options.messages, options.rounds)
        if "delay" in wanted:
            (path / "delay").mkdir()
            report["long_path"] = over_a_long_path(World(path / "delay"), min(4_000, options.messages))
        if "signed" in wanted:
            (path / "signed").mkdir()
            report["signed"] = signed(World(path / "signed"), min(10_000, options.messages), options.rounds)
        if "freeze" in wanted:
            report["freeze_sqlite"] = freezing("", options.messages)
            with postgres_server() as server, server.database() as name:
                report["freeze_postgresql"] = freezing(server.url(name), options.messages)
        if "memory" in wanted:
            report["memory"] = memory([options.messages])
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
