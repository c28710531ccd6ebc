"""Holds our reading of bounces against a public collection: a checkout of github.com/sisimai/rb-sisimai.

Usage: python judges/bounces.py CHECKOUT [--all]. Prints one JSON object; exit status 1 when a figure is missed;
``--all`` lists each difference on stderr. What the collection files as "filtered" or "suspend", while its words mostly
say that the address does not exist or is closed, are no certain cases and are counted apart. So are what it files as
complaints and is none: reports on failed authentication, which are about the sender, and a ``mailto:`` unsubscribe.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from syndicate.core.bounces.reading import read_report
from syndicate.core.bounces.report import ReturnClass, Returned

ROW = re.compile(r"\[\s*'([^']*)',\s*'([^']*)',\s*'([^']*)',\s*(true|false)")
CASE = re.compile(r"^\s*'(\d+)'\s*=>\s*\[(.*?)\]\s*,?\s*$(?=\s*(?:'\d+'|\}))", re.MULTILINE | re.DOTALL)
UNCERTAIN = frozenset({"filtered", "suspend"})
LEAST_FOUND, MOST_FALSE_HARD, MOST_MISSED_HARD = 0.95, 0.01, 0.10


def cases(checkout: Path) -> Iterator[tuple[Path, list[tuple[str, bool]]]]:
    """Each message with the reasons that the collection's own tests expect, and whether they are hard."""
    for file in sorted((checkout / "test" / "public").glob("*.rb")):
        for number, rows in CASE.findall(file.read_text(encoding="utf-8")):
            path = checkout / "set-of-emails" / "maildir" / "bsd" / f"{file.stem}-{number}.eml"
            if path.is_file():
                yield path, [(reason, hard == "true") for _, _, reason, hard in ROW.findall(rows)]


def _is_about_us(found: Returned | None) -> bool:
    return found is not None and found.cls is ReturnClass.BLOCK and "auth-failure" in found.text


def main() -> int:
    counts: Counter[str] = Counter()
    for path, rows in cases(Path(sys.argv[1])):
        report = read_report(path.read_bytes())
        results = report.results
        for at, (reason, hard) in enumerate(rows):
            found = results[at] if at < len(results) else None
            counts["recipients"] += 1
            counts["found"] += report.unsubscribe or (
                found is not None and (found.recipient is not None or reason == "feedback")
            )
            is_hard = found is not None and found.cls is ReturnClass.HARD
            if reason == "feedback" and (report.unsubscribe or _is_about_us(found)):
                kind = "no_complaints"
            elif reason == "feedback":
                kind = "complaints"
                counts["complaints_found"] += found is not None and found.cls is ReturnClass.COMPLAINT
            elif hard:
                kind = "hard"
                counts["hard_missed"] += not is_hard
            elif reason in UNCERTAIN:
                kind = "uncertain"
                counts["uncertain_called_hard"] += is_hard
            else:
                kind = "not_hard"
                counts["false_hard"] += is_hard
            counts[kind] += 1
            if "--all" in sys.argv and (found is None or is_hard != hard):
                sys.stderr.write(f"{path.name} {reason}: {found and (found.cls.value, found.text[:120])}\n")
    shares = {
        "found": counts["found"] / max(counts["recipients"], 1),
        "false_hard": counts["false_hard"] / max(counts["not_hard"], 1),
        "missed_hard": counts["hard_missed"] / max(counts["hard"], 1),
    }
    sys.stdout.write(json.dumps({"counts": counts, "shares": shares}, indent=2) + "\n")
    return not (
        counts["recipients"] > 0
        and shares["found"] >= LEAST_FOUND
        and shares["false_hard"] <= MOST_FALSE_HARD
        and shares["missed_hard"] <= MOST_MISSED_HARD
        and counts["complaints_found"] == counts["complaints"]
    )


if __name__ == "__main__":
    sys.exit(main())
