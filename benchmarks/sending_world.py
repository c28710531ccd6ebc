"""What `send.py` sends: a ledger with so many readers and one frozen issue of about 12 KB, and its configuration."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compose import fill

from syndicate.config import Settings
from syndicate.config.load import load_settings
from syndicate.config.sources import FolderSource
from syndicate.io.dkim_keys import make_key
from syndicate.io.folder import FolderReader
from syndicate.pipeline.compose import compose
from syndicate.pipeline.ingest import ingest
from syndicate.service.wiring import Services
from syndicate.shipped import shipped

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
# Three articles make a message of 12.0 to 12.7 KB.
CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
postal_address = "1 Quay Street, Harbourtown"
[service]
database = {database}
[source.stories]
type = "folder"
path = {articles}
[digest.morning]
max_items = 3
overflow = "drop"
[delivery]
transport = "smtp"
from = "The Harbour Courier <news@courier.example>"
in_doubt = "skip"
[bounce]
return_path = "bounces@courier.example"
"""
DKIM = """
[dkim]
keys = { s1 = "s1.pem", e1 = "e1.pem" }
"""
RELAY = """
[[smtp]]
host = "127.0.0.1"
port = {port}
tls_type = "none"
max_conns = {connections}
messages_per_connection = 1000000
{more}
"""


@dataclass(frozen=True)
class Ran:
    """A process that ended: seconds of wall clock and processor, peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


@dataclass
class World:
    folder: Path
    database: str = ""
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.database or f"sqlite:///{self.folder}/subscribers.db"
        self.config = self.folder / "config.toml"

    def write_config(self, *relays: Mapping[str, Any], signed: bool = False) -> None:
        """``signed``: with an RSA and an Ed25519 key, made at the first time."""
        text = CONFIG.format(
            database=json.dumps(self.database), articles=json.dumps(str(shipped("examples") / "articles"))
        )
        for relay in relays or ({"port": 1},):
            text += RELAY.format(**{"connections": 10, "more": ""} | dict(relay))
        if signed:
            text += DKIM
            rsa, ed25519 = self.folder / "s1.pem", self.folder / "e1.pem"
            if not rsa.exists():
                make_key("s1", rsa, "rsa")
                make_key("e1", ed25519, "ed25519")
        self.config.write_text(text)

    def settings(self) -> Settings:
        return load_settings(self.config, {})

    def freeze(self, readers: int) -> tuple[float, int]:
        """Fill the store and freeze one issue; seconds of the freeze, octets of a message."""
        services = Services(self.settings())
        fill(services.database, services.keyring, readers)
        with services.database.write() as session:
            session.connection().exec_driver_sql("""UPDATE subscriptions SET topics = '{"*":0}'""")
        source = services.settings.source["stories"]
        assert isinstance(source, FolderSource)
        ingest(
            services.database, FolderReader("stories", source, shipped("examples") / "articles"), services.settings, NOW
        )
        began = time.perf_counter()
        issue = compose(
            services.database, services.renderer, "morning", period="daily/2026-11-20", frequencies=["daily"], now=NOW
        )
        took = time.perf_counter() - began
        assert issue is not None
        assert issue.counts.queued == readers, issue
        with services.database.read() as session:
            octets = session.connection().exec_driver_sql("SELECT max(length(message)) FROM editions").scalar_one()
        services.close()
        return took, int(octets)

    def rewind(self) -> None:
        """Queue everything again, as if nothing had been sent."""
        services = Services(self.settings())
        with services.database.write() as session:
            connection = session.connection()
            connection.exec_driver_sql(
                "UPDATE deliveries SET state = 'queued', attempts = 0, holder = NULL, marked_at = NULL, relay = NULL,"
                " first_marked_at = NULL, finished_at = NULL, reply = NULL, reply_code = NULL"
            )
            connection.exec_driver_sql(
                "UPDATE issues SET state = 'running', started_at = NULL, finished_at = NULL, final_counts = NULL"
            )
        services.close()

    def sent(self) -> tuple[int, float]:
        """How many were accepted, and the seconds from the first taken up to the issue's end."""
        services = Services(self.settings())
        with services.database.read() as session:
            connection = session.connection()
            count = connection.exec_driver_sql("SELECT count(*) FROM deliveries WHERE state = 'accepted'").scalar_one()
            started, finished = connection.exec_driver_sql(
                "SELECT started_at, finished_at FROM issues WHERE state = 'finished'"
            ).one()
        services.close()
        if isinstance(started, str):
            started, finished = datetime.fromisoformat(started), datetime.fromisoformat(finished)
        return int(count), (finished - started).total_seconds()

    def deliver(self) -> Ran:
        """One `syndicate deliver` to the end."""
        return self._run("deliver")

    def command(self, *words: str) -> str:
        """What a command prints as JSON."""
        return self._run(*words).output

    def _run(self, *words: str) -> Ran:
        return run([sys.executable, "-m", "syndicate", "-c", str(self.config), *words, "--json"])


def run(command: list[str]) -> Ran:
    """Run a program to its end and tell what it took."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    peaks = [0.0]
    watch = threading.Thread(target=watch_memory, args=(process.pid, peaks))
    watch.start()
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    watch.join()
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {output}")
    return Ran(wall=wall, cpu=used.ru_utime + used.ru_stime, peak_mb=max(peaks), output=output)


def watch_memory(pid: int, peaks: list[float]) -> None:
    """Note a process's peak memory, in MB, until it ends.

    Not by ``ru_maxrss``: there Linux counts what this process had when it started the other one.
    """
    status = Path(f"/proc/{pid}/status")
    while True:
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return
        peak = next((line for line in lines if line.startswith("VmHWM:")), None)
        if peak is None:  # it has ended
            return
        peaks.append(int(peak.split()[1]) / 1024)
        time.sleep(0.02)


def end(process: subprocess.Popen[Any]) -> float:
    """End a process of ours; the processor seconds it used."""
    process.send_signal(signal.SIGTERM)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_utime + used.ru_stime


__all__ = ["NOW", "Ran", "World", "end", "resource", "run"]
