"""How many returned messages are understood a second, on one core, as JSON; the floor is Python's own parser alone.

Run: .venv/bin/python benchmarks/classify.py [--rounds 20] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import email
import json
import os
import time
from pathlib import Path

from syndicate.core.bounces.reading import read_report

OURS = Path(__file__).parents[1] / "tests" / "data" / "bounces"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=OURS)
    options = parser.parse_args()
    messages = [path.read_bytes() for path in sorted(options.folder.rglob("*.eml"))]
    ours, floor = [], []
    for _ in range(options.rounds):
        started = time.process_time()
        for data in messages:
            read_report(data)
        ours.append(time.process_time() - started)
        started = time.process_time()
        for data in messages:
            for part in email.message_from_bytes(data).walk():
                part.get_payload(decode=True)
        floor.append(time.process_time() - started)
    figures = {
        "messages": len(messages),
        "octets": sum(map(len, messages)),
        "per_second": round(len(messages) / sorted(ours)[len(ours) // 2]),
        "per_second_best": round(len(messages) / min(ours)),
        "parser_alone_per_second": round(len(messages) / sorted(floor)[len(floor) // 2]),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
