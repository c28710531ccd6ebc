"""Sign-up form to stored, over the web application in one process on SQLite: forms a second, and against bare commits.

The ratio tells what the form costs beside the disk: a transaction of one row, made durable in the same way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

from syndicate.config import Settings
from syndicate.core.links import Purpose, sign
from syndicate.model import Rate
from syndicate.service.wiring import Services, utc_now
from syndicate.store.form_limits import use_once
from syndicate.web.app import make_app


async def _forms(services: Services, count: int, at_once: int) -> tuple[float, float]:
    now = utc_now()
    made = int((now - timedelta(minutes=1)).timestamp())
    stamp = sign(services.keyring, Purpose.FORM, made, expires_at=now + timedelta(hours=1))
    app = make_app(services)
    numbers = iter(range(-1, count))
    await _send(app, next(numbers), stamp)  # the first one also imports and compiles

    async def send() -> None:
        for number in numbers:
            await _send(app, number, stamp)

    begun, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(send() for _ in range(at_once)))
    return time.perf_counter() - begun, time.process_time() - used


async def _send(app: ASGIApp, number: int, stamp: str) -> None:
    """One form, as a server hands it on: a client within this process would cost as much as the form does."""
    form = {"email": f"reader{number}@example.org", "digest": "morning", "stamp": stamp, "form": "landing"}
    body = urlencode(form).encode()
    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/subscribe",
        "raw_path": b"/subscribe",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 80),
    }
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    await app(scope, receive, send)
    if answers[0]["status"] != HTTPStatus.SEE_OTHER:
        raise RuntimeError(f"form {number}: {answers[0]['status']}")


def main() -> None:
    """Measure and print JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=2_000)
    arguments.add_argument("--at-once", type=int, default=16)
    given = arguments.parse_args()
    rate = Rate(10_000_000, timedelta(hours=1))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate(
            {
                "base": Path(folder),
                "digest": {"morning": {}},
                "signup": {"network_rate": rate, "domain_rate": rate},
            }
        )
        services = Services(settings)
        spent, used = asyncio.run(_forms(services, given.count, given.at_once))
        begun = time.perf_counter()
        for number in range(given.count):
            with services.database.write() as session:
                use_once(session, f"bare:{number}", utc_now())
        bare = time.perf_counter() - begun
        services.close()
    found = {
        "forms": given.count,
        "forms_per_second": round(given.count / spent),
        "bare_commits_per_second": round(given.count / bare),
        "cpu_ms_per_form": round(used / given.count * 1000, 2),
        "ratio": round(bare / spent, 3),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
