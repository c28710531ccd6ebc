"""A publisher on disk for tests of the service and of whole processes: a folder of articles, a config, a database."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from syndicate.cli.main import run
from syndicate.config.load import load_settings
from syndicate.pipeline.members.import_chunk import ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.service.wiring import Services

SERVICES = {"run", "web", "worker"}
CONFIG = """\
[site]
title = "The Harbour Courier"
url = "https://courier.example"
description = "News from the port"
timezone = "Europe/London"
publisher = "Harbour Media"
postal_address = "1 Quay Street, Harbourtown"

[service]
public_url = "https://news.courier.example"
database = "{database}"
listen = "127.0.0.1:{port}"
min_free_disk = 0

[source.stories]
type = "folder"
path = "articles"

[feed.all]

[digest.morning]
title = "Morning Courier"
frequencies = {frequencies}
send_at = "07:30"
{digest}

[delivery]
from = "The Harbour Courier <news@courier.example>"
transport = "{transport}"
{delivery}

[bounce]
return_path = "bounces@courier.example"
{more}
"""


@dataclass
class Publisher:
    """The folder. ``run`` calls the program, in this process but for what serves: starting one takes a second of CPU.

    ``apart``: every command in a process of its own, as its user starts it.
    """

    folder: Path
    database: str = "sqlite:///subscribers.db"
    port: int = 8000
    transport: str = "maildir"
    frequencies: tuple[str, ...] = ("daily", "instant", "weekly", "monthly")
    digest: str = ""
    delivery: str = ""
    more: str = ""
    apart: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    opened: list[Services] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def write(self) -> Publisher:
        (self.folder / "articles").mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            CONFIG.format(
                database=self.database,
                port=self.port,
                transport=self.transport,
                frequencies=json.dumps(self.frequencies),
                digest=self.digest,
                delivery=self.delivery,
                more=self.more,
            )
        )
        return self

    def article(
        self, key: str, *, date: datetime | None = None, title: str | None = None, body: str = "", **more: Any
    ) -> None:
        date = date or datetime.now(UTC) - timedelta(hours=1)
        extra = "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items())
        text = body or f"What happened in {key} is told here, in a sentence that ends."
        (self.folder / "articles" / f"{key}.md").write_text(
            f"---\nid: {key}\ntitle: {title or f'Story {key}'}\nurl: https://courier.example/{key}\n"
            f"date: {date:%Y-%m-%dT%H:%M:%SZ}\n{extra}---\n{text}\n"
        )

    def readers(self, count: int, *, state: str = "confirmed", frequency: str = "daily", start: int = 0) -> Path:
        path = self.folder / "readers.csv"
        lines = [f"reader{n}@example.org,Reader {n},morning,{frequency},{state}" for n in range(start, start + count)]
        path.write_text("\n".join(["email,name,digest,frequency,state", *lines]) + "\n")
        return path

    def services(self, clock: Any) -> Services:
        services = Services(load_settings(self.config, {}), clock=clock)
        self.opened.append(services)
        return services

    def close(self) -> None:
        for services in self.opened:
            services.close()

    def subscribe(self, services: Services, count: int, *, frequency: str = "daily") -> None:
        """The same as ``subscribers import``, without a process."""
        with self.readers(count, frequency=frequency).open("rb") as lines:
            import_subscribers(
                services.database,
                services.settings,
                services.keyring,
                lines,
                ImportRules(confirmed=True),
                now=services.clock(),
                report=lambda number, problem: pytest.fail(f"line {number}: {problem}"),
            )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "syndicate", "-c", str(self.config), *arguments]

    @property
    def environ(self) -> Mapping[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATE_")}
        return clean | self.environment

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        """The standard output of a command that ends with this status; its errors, if that is not 0."""
        apart = self.apart or (arguments[0] in SERVICES and "--once" not in arguments)
        ended, out, err = self._as_a_process(*arguments) if apart else self._here(*arguments)
        assert ended == status, f"{arguments}: {ended}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return out if status == 0 else err

    def _here(self, *arguments: str) -> tuple[int, str, str]:
        # Not StringIO: some commands write bytes.
        written = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(each, "utf-8", write_through=True) for each in written)
        with patch.dict(os.environ, self.environ, clear=True), redirect_stdout(out), redirect_stderr(err):
            status = run(["-c", str(self.config), *arguments])
        return status, written[0].getvalue().decode(), written[1].getvalue().decode()

    def _as_a_process(self, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            self.command(*arguments), env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))
