"""``bounces classify``: one object a line, whatever the files are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from calls import Call, Result

FOLDER = Path(__file__).parents[1] / "data" / "bounces"


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_classify_prints_one_object_a_line(syndicate: Call, flags: list[str]) -> None:
    files = [FOLDER / "postfix-unknown.eml", FOLDER / "human-reply.eml", FOLDER / "arf-abuse.eml"]
    result = syndicate("bounces", "classify", *flags, *files)
    assert (result.status, result.err) == (0, "")
    first, second, third = lines(result)
    assert first["file"] == str(files[0])
    (one,) = first["results"]
    assert (one["recipient"], one["cls"], one["status"], one["code"]) == ("ann@reader.example", "hard", "5.1.1", 550)
    assert second == {"file": str(files[1]), "results": []}
    assert third["results"][0]["cls"] == "complaint"


def test_paths_come_from_standard_input_too_and_need_no_configuration(process: Call) -> None:
    files = [FOLDER / "qmail-quota.eml", FOLDER / "auto-rfc3834.eml"]
    result = process("bounces", "classify", stdin="".join(f"{path}\n" for path in files))
    assert result.status == 0
    assert [line["results"][0]["cls"] for line in lines(result)] == ["soft", "autoreply"]


def test_a_mail_that_asks_to_leave_says_so(syndicate: Call) -> None:
    (line,) = lines(syndicate("bounces", "classify", FOLDER / "mailto-unsubscribe.eml"))
    assert line["unsubscribe"] is True
    assert line["results"] == []


def test_what_cannot_be_read_stops_nothing_and_is_told(syndicate: Call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = syndicate(
        "bounces", "classify", tmp_path / "none.eml", tmp_path, tmp_path / "pipe", FOLDER / "exim-unknown.eml"
    )
    assert result.status == 1
    *broken, good = lines(result)
    assert [line["results"] for line in broken] == [[], [], []]
    assert all(line["error"] for line in broken)
    assert "none.eml: it cannot be read" in result.err
    assert good["results"][0]["cls"] == "hard"
