"""Who gets what for very many subscriptions: grouping, selection and editions, not their rendering. Prints JSON.

The floor of the same run is a look at every subscription's row. Memory: this process's peak before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime

from readers import fill, peak_mb, settings_for
from sqlalchemy import text

from syndicate.pipeline.compose import plan_issue
from syndicate.store.cohorts import cohorts
from syndicate.store.engine import Database
from syndicate.store.schema import upgrade

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TARGET = 15  # seconds, for 1,000,000 subscriptions and 200 combinations


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--combinations", type=int, default=200, help="of topics")
    parser.add_argument("--database", help="an address; default: a SQLite file of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/subscribers.db"
        settings = settings_for(url)
        database = Database(url)
        upgrade(database)
        fill(database, settings, arguments.subscriptions, arguments.combinations, NOW)
        before = peak_mb()
        with database.read() as session:
            floor = time.perf_counter()
            session.connection().execute(text("SELECT count(carry), sum(cursor) FROM subscriptions")).all()
            floor = time.perf_counter() - floor
            grouping = time.perf_counter()
            groups = len(cohorts(session, "morning", ["daily"]))
            grouping = time.perf_counter() - grouping
            began, cpu = time.perf_counter(), time.process_time()
            plan = plan_issue(
                session,
                settings,
                "morning",
                frequencies=["daily"],
                language_of=lambda language: language or "en",
                now=NOW,
            )
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert plan.subscriptions == arguments.subscriptions
        print(
            json.dumps(
                {
                    "benchmark": "selection",
                    "database": database.dialect,
                    "subscriptions": plan.subscriptions,
                    "combinations": arguments.combinations,
                    "cohorts": groups,
                    "editions": len(plan.editions),
                    "recipients": plan.recipients,
                    "seconds": round(took, 3),
                    "cpu_seconds": round(cpu, 3),
                    "of_which_grouping_seconds": round(grouping, 3),
                    "look_at_every_row_seconds": round(floor, 3),
                    "ratio_to_that": round(took / floor, 1),
                    "target_seconds_at_1000000": TARGET,
                    "peak_memory_mb": {"before": before, "after": peak_mb()},
                    "load": round(os.getloadavg()[0], 1),
                    "machine": f"{platform.machine()}, Python {platform.python_version()}",
                },
                indent=1,
            )
        )
        database.close()


if __name__ == "__main__":
    main()
