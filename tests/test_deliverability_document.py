"""Every test that docs/deliverability.md names for a requirement is there, and the requirements stand in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "deliverability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| (R\d+[^|]*) \|(.*)\|$", PAGE)


def numbers(cell: str) -> list[int]:
    return [int(number) for number in re.findall(r"R(\d+)", cell)]


@pytest.mark.parametrize(("cell", "rest"), ROWS, ids=[f"{cell} {place}" for place, (cell, _) in enumerate(ROWS)])
def test_what_a_row_names_is_there(cell: str, rest: str) -> None:
    *_, where, tests = rest.split("|")
    named = re.findall(r"`(test_[\w*]+\.py)`", tests)
    assert named or "is not offered" in rest, "what there is has a test"
    files = [path for name in named for path in TESTS.rglob(name)]
    assert {name for name in named if not list(TESTS.rglob(name))} == set()
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for function in re.findall(r"`(test_\w+)`", tests):
        assert f"def {function}(" in source, function
    for path in re.findall(r"`([\w./]+)`", where):
        root = TESTS.parent
        assert (root / path).exists() or (root / "syndicate" / path).exists(), path


def test_the_rows_are_in_order() -> None:
    firsts = [numbers(cell)[0] for cell, _ in ROWS]
    assert firsts == sorted(firsts)


def test_no_requirement_of_the_message_is_left_out() -> None:
    assert {*range(1, 16), 34, 35, 36} <= {number for cell, _ in ROWS for number in numbers(cell)}
