from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.cli.output import Output, safe, shown
from syndicate.core.documents import plain
from syndicate.model import IssueState


def test_people_see_text_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.document({"ignored": True})
    output.text("one line")
    output.table(["feed", "entries"], [["all", 12], ["port", None]], title="Feeds")
    captured = capsys.readouterr()
    assert captured.out == "one line\nFeeds\nfeed  entries\nall   12\nport\n"
    assert captured.err == ""


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.text("one line")
    output.table(["a"], [["b"]])
    output.document({"name": "Möwenhagen", "at": datetime(2026, 11, 22, 8, 0, tzinfo=UTC)})
    output.note("a word on the side")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"name": "Möwenhagen", "at": "2026-11-22T08:00:00.000000Z"}
    assert captured.err == "a word on the side\n"


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["a"], [], empty="no feeds yet")
    assert capsys.readouterr().out == "no feeds yet\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 11, 22, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=1))), "2026-11-22T08:00:00.000005Z"),
        (date(2026, 11, 22), "2026-11-22"),
        (timedelta(minutes=1), 60.0),
        (Path("feeds/all"), "feeds/all"),
        (frozenset({"b", "a"}), ["a", "b"]),
    ],
)
def test_what_json_does_not_know_has_one_form(value: Any, written: Any) -> None:
    assert plain(value) == written
    assert json.loads(json.dumps(value, default=plain)) == written


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain(object())


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (False, "no"), ((1, None, "a"), "1, , a"), (IssueState.PAUSED, "paused"), (0, "0")],
)
def test_cells_as_people_read_them(value: Any, text: str) -> None:
    assert shown(value) == text


@given(st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    for character in safe(text):
        assert character in "\n\t" or ord(character) >= 32
        assert not 127 <= ord(character) < 160
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_cells_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["title"], [["two\nlines\x1b[31m"]])
    assert capsys.readouterr().out == "title\ntwo lines\N{REPLACEMENT CHARACTER}[31m\n"


def test_without_a_terminal_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("reading", 3) as advance:
        advance(3)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


CODE = """
from syndicate.cli.output import Output
output = Output(as_json={as_json})
with output.progress("reading [articles]", 2) as advance:
    advance(1)
    advance(1)
output.table(["feed", "note"], [["all", "[bold]not mark-up[/bold]"]])
output.document({{"feeds": []}})
"""


def on_a_terminal(code: str) -> tuple[str, str]:
    """What a program writes to stdout and stderr when both are terminals of their own."""
    readers = []
    writers = []
    for _ in range(2):
        reader, writer = pty.openpty()
        readers.append(reader)
        writers.append(writer)
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=writers[0],
        stderr=writers[1],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    for writer in writers:
        os.close(writer)
    texts = []
    for reader in readers:
        found = io.BytesIO()
        try:
            while data := os.read(reader, 65536):
                found.write(data)
        except OSError:  # a terminal whose other side is closed says EIO at its end
            pass
        os.close(reader)
        texts.append(found.getvalue().decode())
    assert child.wait(timeout=60) == 0
    return texts[0], texts[1]


def test_a_terminal_gets_a_drawn_table_and_a_progress_bar_on_stderr() -> None:
    out, err = on_a_terminal(CODE.format(as_json=False))
    assert "┃" in out or "│" in out
    assert "[bold]not mark-up[/bold]" in out
    assert "reading [articles]" in err
    assert "reading" not in out


def test_json_on_a_terminal_is_still_json() -> None:
    out, err = on_a_terminal(CODE.format(as_json=True))
    assert json.loads(out) == {"feeds": []}
    assert "reading [articles]" in err
