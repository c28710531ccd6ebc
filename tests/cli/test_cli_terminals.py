"""What a terminal can show, and where this program is found: output has to fit the one who called."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from calls import Call, Result
from publisher import Publisher
from rich.console import Console

from syndicate.cli.bars import bar
from syndicate.cli.main import main
from syndicate.cli.output import Output
from syndicate.cli.program import program

ASCII = {"PYTHONIOENCODING": "ascii", "LANG": "C"}


def in_ascii(*arguments: str) -> Result:
    """The program from its entry point on, with streams as a process with that environment has them."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(each, "ascii", write_through=True) for each in (out, err)]
    with (
        patch.object(sys, "argv", ["syndicate", *arguments]),
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Result(int(end.value.code or 0), out.getvalue().decode(), err.getvalue().decode())


def test_a_terminal_that_knows_only_ascii(process: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publisher = Publisher(tmp_path).write()
    publisher.article("a", title="Ebbe in Möwenhagen 🐋")
    (tmp_path / "articles" / "bröken.md").write_text("---\ntitle: [\n---\n")
    polled = in_ascii("poll")
    assert polled.status == 0
    assert "br?ken.md" in polled.err
    text = process("preview", "morning", "--format", "text", env=ASCII)
    assert (text.status, text.err) == (0, "")
    assert "Ebbe in M?wenhagen ?" in text.out
    # Data is never replaced: JSON is escaped, documents stay in their own encoding.
    assert "Möwenhagen 🐋" in in_ascii("preview", "morning", "--json").document["text"]
    assert "Möwenhagen 🐋" in in_ascii("preview", "morning").out
    unknown = in_ascii("preview", "mörning")
    assert unknown.status == 2
    assert "m?rning" in unknown.err


def test_json_stays_readable_where_the_stream_allows(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).document({"title": "Möwen"})
    assert "Möwen" in capsys.readouterr().out


def test_columns_stand_below_each_other_whatever_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("name", "n"), [("磯辺よしえ", 1), ("Candás", 2), ("e\u0301", 3)])
    assert capsys.readouterr().out.splitlines() == [
        "name        n",
        "磯辺よしえ  1",
        "Candás      2",
        "e\u0301           3",
    ]


def test_a_table_without_names_of_columns_has_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("", ""), [("id", 7), ("state", "running")])
    assert capsys.readouterr().out == "id     7\nstate  running\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in a virtual environment below the folder we are in."""
    place = tmp_path / ".venv" / "bin" / "syndicate"
    place.parent.mkdir(parents=True)
    place.write_text("#!/bin/sh\n")
    place.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(sys, "argv", [str(place)])
    return place


def test_hints_name_the_program_as_it_can_be_typed(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program() == ".venv/bin/syndicate"
    assert program(Path("paper")) == "../.venv/bin/syndicate"
    monkeypatch.setenv("PATH", f"/usr/bin:{installed.parent}")
    assert program() == "syndicate"
    monkeypatch.setattr(sys, "argv", ["/somewhere/syndicate/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(installed.with_name("python")))
    assert program() == ".venv/bin/python -m syndicate"


def test_the_hint_of_init_works_from_the_new_folder(installed: Path, syndicate: Call) -> None:
    # The fixture `syndicate` is called by its name alone; here it is called by its path.
    sys.argv[0] = str(installed)
    told = syndicate("init", "my paper").out
    assert "cd 'my paper' && ../.venv/bin/syndicate check" in told


def test_every_command_that_fails_in_json_keeps_standard_output_empty_or_a_document(syndicate: Call) -> None:
    for arguments in (["status"], ["preview", "x"], ["demo", "--dir", "/proc/nothing"], ["issues", "show", "1"]):
        result = syndicate(*arguments, "--json")
        assert result.status == 2
        assert result.out == "" or json.loads(result.out)
        assert "unexpected" not in result.err


def test_a_bar_tells_how_many_how_fast_and_how_long_still() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with bar("sending morning", None, console) as advance:
        advance.expect(200)
        for _ in range(20):
            advance(5)
            time.sleep(0.01)
    drawn = screen.getvalue()
    assert "sending morning" in drawn
    assert "100/200" in drawn
    assert re.search(r"\d+(\.\d)?/s", drawn)
    assert re.search(r"0:00:0\d", drawn)


def test_off_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("sending") as advance:
        advance.expect(3)
        advance(3)
    assert capsys.readouterr() == ("", "")
