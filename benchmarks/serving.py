"""Serving a feed of 95 KB: CPU per answer of ours against nginx with the same file in the same run, by wrk.

Needs nginx and wrk (Debian: apt install nginx wrk). The share is nginx's CPU time per answer by ours: with 0.40
one of our cores answers 0.40 as often as one of nginx. CPU time, because the machine has other work than this.
Before that (alone with --only torn): eight clients while the feed is published anew in a loop; no answer may be torn.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import brotli
import psutil  # type: ignore[import-untyped]
from lxml import etree

from syndicate.config import Settings
from syndicate.config.load import load_settings
from syndicate.core.article.change import decide
from syndicate.core.article.identity import content_hash
from syndicate.model import ArticleContent
from syndicate.pipeline.publish import publish
from syndicate.store.engine import Database
from syndicate.store.mirror import apply, mirrored
from syndicate.store.schema import upgrade

WORDS = ["harbour", "quay", "ferry", "tide", "lantern", "rope", "crane", "gull", "mast", "council", "bridge", "fog"]
AIMS = {"304": 0.38, "200 gzip": 0.40}
MUST = 0.30
DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress}
NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=1000 inactive=60s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ application/rss+xml xml; }}
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    gzip_static on;
    add_header Cache-Control "public, max-age=1800";
  }}
}}
"""
CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
[service]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[feed.all]
formats = ["rss"]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=4, help="the best of so many counts, on both sides")
    parser.add_argument("--only", choices=["torn", "load"])
    parser.add_argument("--torn-seconds", type=float, default=10.0)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.only != "load":
        with tempfile.TemporaryDirectory() as name:
            found["while_published_in_a_loop"] = torn_answers(Path(name), options.torn_seconds)
    if options.only != "torn":
        found |= under_load(options)
    print(json.dumps(found, indent=2))


def under_load(options: argparse.Namespace) -> dict[str, Any]:
    missing = [name for name in ("nginx", "wrk") if not shutil.which(name)]
    if missing:
        sys.exit(f"benchmarks/serving.py needs {' and '.join(missing)} (Debian: apt install {' '.join(missing)})")
    with tempfile.TemporaryDirectory() as name:
        return measure(Path(name), options.seconds, options.rounds)


def measure(folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    content = sample()
    write(folder / "feeds" / "all", content)
    with nginx(folder) as theirs, ours(folder) as own:
        sides = {"nginx": theirs, "syndicate": own}
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for _ in range(rounds):
            for kind in ("304", "200 gzip", "200 identity"):
                for side, (port, process) in sides.items():
                    headers = wishes(port, kind)
                    found.setdefault(kind, {}).setdefault(side, []).append(load(port, process, headers, kind, seconds))
    return {"bytes": len(content), "gzip_bytes": len(gzip.compress(content, 9)), **summary(found)}


def summary(found: dict[str, dict[str, list[tuple[float, float]]]]) -> dict[str, Any]:
    answers = {}
    for kind, sides in found.items():
        costs = {side: min(cost for cost, _ in values) for side, values in sides.items()}
        rates = {side: max(rate for _, rate in values) for side, values in sides.items()}
        share = costs["nginx"] / costs["syndicate"]
        answers[kind] = {
            "cpu_us": {side: round(cost, 2) for side, cost in costs.items()},
            "per_second": {side: round(rate) for side, rate in rates.items()},
            "share_of_nginx": round(share, 3),
        }
        if kind in AIMS:
            answers[kind] |= {"must": MUST, "aim": AIMS[kind], "reached": share >= MUST}
    return {"answers": answers, "load": os.getloadavg()[0], "cores": os.cpu_count()}


def sample() -> bytes:
    """A feed of about 95 KB that compresses as real ones do: 30 articles of running text."""
    chance = random.Random(11)
    letters = [chr(97 + chance.randrange(26)) for _ in range(4000)]
    vocabulary = WORDS + ["".join(letters[at : at + chance.randrange(3, 11)]) for at in range(0, 3900, 3)]
    weights = [1 / (place + 1) for place in range(len(vocabulary))]
    items = []
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for number in range(30):
        text = " ".join(chance.choices(vocabulary, weights, k=530))
        date = (now - timedelta(hours=number)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        items.append(
            f"<item><title>Story {number}</title><link>https://courier.example/{number}</link>"
            f'<guid isPermaLink="false">tag:courier.example,2026:{number}</guid><pubDate>{date}</pubDate>'
            f"<description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"
        )
    head = '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>The Harbour Courier</title>'
    return f"{head}{''.join(items)}</channel></rss>".encode()


def write(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    for name, data in {"rss.xml": content, "rss.xml.gz": gzip.compress(content, 9, mtime=0)}.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1_795_000_000, 1_795_000_000))


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not read this folder
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, user=user))
    command = [
        shutil.which("nginx") or "nginx",
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    with running(command, port) as process:
        yield port, worker_of(process)


def worker_of(process: psutil.Process) -> psutil.Process:
    while not (children := process.children()):
        time.sleep(0.05)
    return children[0]


@contextmanager
def ours(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    (folder / "config.toml").write_text(CONFIG.format(port=port))
    command = [sys.executable, "-m", "syndicate", "-c", str(folder / "config.toml"), "web"]
    with running(command, port) as process:
        yield port, process


@contextmanager
def running(command: list[str], port: int) -> Iterator[psutil.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATE_")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[0]} did not start; port {port}")
                time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def torn_answers(folder: Path, seconds: float, clients: int = 8) -> dict[str, Any]:
    """Publish version after version of a feed, as the service does it, under clients that look at every answer."""
    (folder / "config.toml").write_text(CONFIG.format(port=free_port()))
    settings, seen = load_settings(folder / "config.toml", {}), Seen()
    database = Database(settings.database_url)
    upgrade(database)
    write_version(database, settings, 0)
    with ours(folder) as (port, _):
        settings = load_settings(folder / "config.toml", {})
        readers = [threading.Thread(target=read_on, args=(port, kind, seen)) for kind in range(clients)]
        for reader in readers:
            reader.start()
        end, versions = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            versions += 1
            write_version(database, settings, versions)
        seen.stop.set()
        for reader in readers:
            reader.join()
        database.close()
    return {
        "seconds": seconds,
        "clients": clients,
        "versions": versions,
        "answers": dict(sorted(seen.answers.items())),
        "tags_seen": len(seen.contents),
        "torn": len(seen.faults),
        "first_faults": seen.faults[:3],
        "limit": 0,
    }


class Seen:
    """What all clients have seen so far; ``contents`` is what each tag stood for."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self.contents: dict[str, bytes] = {}
        self.faults: list[str] = []


def write_version(database: Database, settings: Settings, version: int) -> None:
    """Ingest a new version of one of 40 articles, and publish."""
    now = datetime.now(UTC)
    key = f"story-{version % 40}"
    mark = f"[{version}]"
    text = mark + "".join(f"<p>The tide of {version} came at {minute}.</p>" for minute in range(60)) + mark
    content = ArticleContent(key=key, title=f"Version {version}", html=text, published_at=now)
    with database.write() as session:
        known = mirrored(session, "stories", [key]).get(key)
        before, hash_before = (known.article, known.content_hash) if known else (None, None)
        change = decide(before, hash_before, content, content_hash(content), now)
        if change:
            apply(session, "stories", [change], authority="courier.example,2026", now=now)
    (result,) = publish(database, settings, now, verify=False)
    assert result.error is None, result


def read_on(port: int, kind: int, seen: Seen) -> None:
    """Fetch until told to stop: each client accepts other encodings, every other one asks conditionally."""
    encoding = ("gzip", "br", "identity")[kind % 3]
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    newest, tag = -1, ""
    while not seen.stop.is_set():
        headers = {"Accept-Encoding": encoding} | ({"If-None-Match": tag} if tag and kind % 2 else {})
        try:
            connection.request("GET", "/feeds/all/rss.xml", headers=headers)
            answer = connection.getresponse()
            body = answer.read()  # raises where it is shorter than it was said to be
            seen.answers[f"{answer.status} {answer.headers.get('Content-Encoding', 'identity')}"] += 1
            if answer.status != 200:
                assert answer.status == 304 and tag, f"answered {answer.status}"  # noqa: PT018 - one fact
                continue
            tag = answer.headers["ETag"]
            plain = DECODERS.get(answer.headers.get("Content-Encoding", ""), bytes)(body)
            # A twin is made anew, and better, in the background: other bytes, the same content.
            assert seen.contents.setdefault(tag, plain) == plain, f"{tag} stands for two contents"
            newest = whole(plain, newest)
        except Exception as error:  # noqa: BLE001 - each is a fault to be told
            seen.faults.append(f"{encoding}: {type(error).__name__}: {error}"[:300])
            connection.close()


def whole(plain: bytes, newest: int) -> int:
    """The version of a document that must be whole and no older than the last one this client saw."""
    assert plain.rstrip().endswith(b"</rss>"), "cut"
    etree.fromstring(plain)
    found = max(map(int, re.findall(rb"<title>Version (\d+)</title>", plain)))
    assert plain.count(b"[%d]" % found) >= 2, "mixed"
    assert found >= newest, f"{found} after {newest}"
    return found


def wishes(port: int, kind: str) -> dict[str, str]:
    """The headers of the request; the tag is asked for, since each server has its own."""
    headers = {"Accept": "application/rss+xml, */*;q=0.1", "User-Agent": "reader/1.0"}
    if kind == "200 identity":
        return headers
    headers["Accept-Encoding"] = "gzip, deflate"
    if kind == "304":
        with urlopen(Request(f"http://127.0.0.1:{port}/feeds/all/rss.xml", headers=headers)) as answer:
            headers["If-None-Match"] = answer.headers["ETag"]
    return headers


def load(port: int, process: psutil.Process, headers: dict[str, str], kind: str, seconds: float) -> tuple[float, float]:
    """CPU µs of the server per answer, and answers a second."""
    address = f"http://127.0.0.1:{port}/feeds/all/rss.xml"
    command = ["wrk", "-t1", "-c32", f"-d{seconds:g}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if (os.cpu_count() or 1) > 1:
        process.cpu_affinity([0])
        command = ["taskset", "-c", "1", *command]
    before = process.cpu_times()
    done = subprocess.run([*command, address], capture_output=True, text=True, check=True)
    after = process.cpu_times()
    requests = int(number_in(r"(\d+) requests in", done.stdout))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    assert not refused, f"{kind}: {done.stdout}"
    rate = number_in(r"Requests/sec:\s+([\d.]+)", done.stdout)
    used = (after.user + after.system) - (before.user + before.system)
    return used / requests * 1e6, rate


def number_in(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
