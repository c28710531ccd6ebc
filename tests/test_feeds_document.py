"""docs/feeds.md names every rule, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")


def test_every_rule_has_a_row() -> None:
    assert re.findall(r"^\| (F\d+) ", DOCUMENT, re.MULTILINE) == [f"F{number}" for number in range(1, 28)]


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", DOCUMENT)
    assert len(named) > 30
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert re.search(rf"^def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{test}"
