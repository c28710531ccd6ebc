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
from pathlib import Path

import httpx

from syndicate.config import Settings
from syndicate.core.links import Purpose, sign
from syndicate.model import Rate
from syndicate.service.wiring import Services, utc_now
from syndicate.store.form_limits import use_once
from syndicate.web.app import make_app


async def _forms(services: Services, count: int, at_once: int) -> float:
    now = utc_now()
    made = int((now - timedelta(minutes=1)).timestamp())
    stamp = sign(services.keyring, Purpose.FORM, made, expires_at=now + timedelta(hours=1))
    transport = httpx.ASGITransport(app=make_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        numbers = iter(range(count))

        async def send() -> None:
            for number in numbers:
                form = {"email": f"reader{number}@example.org", "digest": "morning", "stamp": stamp, "form": "landing"}
                answer = await client.post("/subscribe", data=form)
                if answer.status_code != httpx.codes.SEE_OTHER:
                    raise RuntimeError(f"form {number}: {answer.status_code}")

        begun = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(at_once)))
        return time.perf_counter() - begun


def main() -> None:
    """Measure and print JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=2_000)
    arguments.add_argument("--at-once", type=int, default=8)
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
        spent = asyncio.run(_forms(services, given.count, given.at_once))
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
        "ratio": round(bare / spent, 3),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
