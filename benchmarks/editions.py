"""What rendering costs for one edition and for very many, and for few readers and for many. Prints JSON.

The same issue composed four times; what is counted as rendering is all time inside ``EditionRenderer.render``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from readers import fill, settings_for

from syndicate.io.keys import load_keyring
from syndicate.io.templates import read_templates
from syndicate.pipeline.compose import EditionRenderer, compose
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.store.schema import upgrade

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Watched(EditionRenderer):
    """The renderer with a watch."""

    seconds = 0.0
    cpu_seconds = 0.0

    def render(self, *arguments: Any, **named: Any) -> Any:
        began, cpu = time.perf_counter(), time.process_time()
        try:
            return super().render(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - began
            self.cpu_seconds += time.process_time() - cpu


def measure(people: int, editions: int) -> dict[str, Any]:
    """Compose one issue for so many readers in so many editions."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/subscribers.db"
        settings = settings_for(url)
        database = Database(url)
        upgrade(database)
        fill(database, settings, people, editions, NOW, languages=False)
        keyring = load_keyring(Path(folder) / "secret.key")
        renderer = Watched(settings, read_templates([shipped("templates")]), keyring)
        began = time.perf_counter()
        issue = compose(database, renderer, "morning", period="daily/2026-11-22", frequencies=["daily"], now=NOW)
        took = time.perf_counter() - began
        database.close()
    assert issue is not None
    assert (issue.recipients, issue.editions) == (people, editions), issue
    return {
        "recipients": people,
        "editions": editions,
        "rendering_seconds": round(renderer.seconds, 3),
        "rendering_cpu_ms_for_an_edition": round(1000 * renderer.cpu_seconds / editions, 1),
        "everything_else_seconds": round(took - renderer.seconds, 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--editions", type=int, default=200)
    arguments = parser.parse_args()
    many, few = arguments.recipients, arguments.recipients // 10
    print(
        json.dumps(
            {
                "benchmark": "editions",
                "issues": [measure(people, count) for count in (1, arguments.editions) for people in (few, many)],
                "load": round(os.getloadavg()[0], 1),
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
