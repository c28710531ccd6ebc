"""Milliseconds of each page of the console over 1,000,000 subscribers and an issue to all of them, on both databases.

    python benchmarks/pages.py [--people N] [--sqlite-only]

Prints JSON: for each page the first look (figures are counted then) and the median of the looks after it, wall and CPU
of this process. PostgreSQL's own CPU is in the wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from frozen_issue import frozen
from postgres import postgres_server
from sqlalchemy import text
from starlette.testclient import TestClient

from syndicate.config.load import load_settings
from syndicate.model import Role
from syndicate.pipeline.operators import accounts
from syndicate.service.wiring import Services
from syndicate.web.app import make_app

CONFIG = """\
[site]
title = "The Harbour Courier"
url = "https://courier.example"
publisher = "Harbour Media"
postal_address = "1 Quay Street, Harbourtown"
[service]
database = "{database}"
public_url = "http://127.0.0.1:8000"
min_free_disk = 0
[source.stories]
type = "folder"
path = "articles"
[feed.all]
[digest.morning]
title = "Morning Courier"
[delivery]
from = "The Harbour Courier <news@courier.example>"
[bounce]
return_path = "bounces@courier.example"
[admin]
enabled = true
"""
PASSWORD = "a long enough password"
LOOKS = 15


def fill(services: Services, people: int) -> None:
    """Subscribers, their subscriptions, and one issue to all: 97 in 100 accepted, the rest refused or waiting."""
    database, now = services.database, services.clock()
    sqlite = database.dialect == "sqlite"
    numbers = (
        "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :people) SELECT n FROM c)"
        if sqlite
        else "(SELECT generate_series(1, :people) AS n)"
    )
    hashed = "printf('%064x', n * 7919 % 1000003)" if sqlite else "lpad(to_hex(n * 7919::bigint % 1000003), 64, '0')"
    days = "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-' || (n % 80) || ' days')"
    if not sqlite:
        days = "now() - (n % 80) * interval '1 day'"
    with database.write() as session:
        connection = session.connection()
        connection.execute(
            text(
                "INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, name_key, language,"
                f" created_at) SELECT n, 'reader' || n || '@example.org', 'reader' || n || '@example.org', {hashed},"
                f" 'example.org', 'Ann Reader ' || n, 'ann reader ' || n, 'en', {days} FROM {numbers} AS numbers"
            ),
            {"people": people},
        )
        connection.execute(
            text(
                "INSERT INTO subscriptions (subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq,"
                " carry, created_at, confirmed_at) SELECT id, 'morning', 'confirmed', 'daily', '{\"*\"\\:0}', 0, false,"
                " 0, '[]', created_at, created_at FROM subscribers"
            )
        )
        frozen(session, now)
        number = connection.scalar(text("SELECT max(id) FROM issues"))
        connection.execute(
            text(
                "UPDATE deliveries SET attempts = 1, relay = 'mx1', state = CASE WHEN subscriber_id % 100 = 1 THEN"
                " 'rejected' WHEN subscriber_id % 100 = 2 THEN 'deferred' WHEN subscriber_id % 100 = 3 THEN 'queued'"
                " ELSE 'accepted' END, reason = CASE WHEN subscriber_id % 100 = 1 THEN 'hard' END, reply_code = CASE"
                " WHEN subscriber_id % 100 = 1 THEN 550 WHEN subscriber_id % 100 = 2 THEN 451 ELSE 250 END, reply ="
                " CASE WHEN subscriber_id % 100 = 1 THEN '5.1.1 no such user' ELSE 'Ok' END, finished_at = due_at"
            )
        )
        connection.execute(
            text("UPDATE issues SET state = 'running', started_at = composed_at WHERE id = :n"), {"n": number}
        )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def pages(people: int) -> dict[str, str]:
    """What is asked for."""
    some = people // 2
    ledger = "/admin/issues/1/ledger"
    return {
        "overview": "/admin",
        "issues": "/admin/issues",
        "issue": "/admin/issues/1",
        "ledger": ledger,
        "ledger rejected": f"{ledger}?state=rejected",
        "ledger far in": f"{ledger}?state=accepted&after=s{some}",
        "ledger reply code": f"{ledger}?state=rejected&code=550",
        "ledger of no such code": f"{ledger}?code=599",
        "ledger of no such relay": f"{ledger}?relay=none",
        "ledger of one address": f"{ledger}?address=reader{some}@example.org",
        "delivery": f"/admin/issues/1/deliveries/{some}",
        "subscribers": "/admin/subscribers",
        "search by address": f"/admin/subscribers?q=reader{some}",
        "search by name": f"/admin/subscribers?by=name&q=ann+reader+{some}",
        "search by a name that all have": "/admin/subscribers?by=name&q=ann",
        "subscriber": f"/admin/subscribers/{some}",
        "suppressions": "/admin/suppressions",
        "sources": "/admin/sources",
        "digests": "/admin/digests",
        "growth": "/admin/growth",
        "api": "/admin/api",
        "settings": "/admin/settings",
        "audit": "/admin/audit",
    }


def measure(folder: Path, url: str, people: int) -> dict[str, Any]:
    """The milliseconds of every page."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(database=url))
    (folder / "articles").mkdir(exist_ok=True)
    services = Services(load_settings(config, {}), clock=lambda: datetime.now(UTC))
    services.config_file = config
    with services.database.read() as session:
        there = session.connection().scalar(text("SELECT count(*) FROM (SELECT 1 FROM subscribers LIMIT 1) AS one"))
    if not there:
        fill(services, people)
        accounts.add_operator(services.database, "maria", PASSWORD, Role.OWNER, services.clock())
    client = TestClient(make_app(services), base_url="http://127.0.0.1:8000", follow_redirects=False)
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/admin/sign-in").text)
    assert token is not None
    client.post("/admin/sign-in", data={"csrf": token[1], "name": "maria", "password": PASSWORD})
    client.get("/admin/audit")  # connections are open now
    found = {name: looks(client, path) for name, path in pages(people).items()}
    services.close()
    return found


def looks(client: TestClient, path: str) -> dict[str, float]:
    """One page: the first look, and the median of the others, in milliseconds."""
    wall, cpu = [], []
    for _ in range(LOOKS + 1):
        began, used = time.perf_counter(), time.process_time()
        answer = client.get(path)
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-500:])
    return {
        "first_wall": round(wall[0], 1),
        "wall": round(statistics.median(wall[1:]), 1),
        "cpu": round(statistics.median(cpu[1:]), 1),
        "kilobytes": round(len(answer.content) / 1000, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--sqlite-only", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {"people": given.people, "load_before": os.getloadavg()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found["sqlite"] = measure(folder, f"sqlite:///{folder}/subscribers.db", given.people)
        if not given.sqlite_only:
            server = stack.enter_context(postgres_server())
            with server.database() as name:
                found["postgresql"] = measure(folder, server.url(name), given.people)
    found["load_after"] = os.getloadavg()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
