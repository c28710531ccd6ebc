"""What holds for every command there is: options, help, example, documentation."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from calls import Call

import syndicate.cli.commands
from syndicate.cli.main import GROUPS, app

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
FOLDER = Path(syndicate.cli.commands.__file__).parent


def every_command(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    if getattr(command, "invoke_without_command", False) and name:
        yield name, command
    for part, child in inner.items():
        yield from every_command(child, f"{name} {part}".strip())


COMMANDS = dict(every_command())


def test_there_are_commands_and_every_module_is_registered() -> None:
    assert {"init", "check", "db upgrade"} <= set(COMMANDS)
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert modules == {group.__name__.rpartition(".")[2] for group in GROUPS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json(name: str) -> None:
    flags = [option for parameter in COMMANDS[name].params for option in getattr(parameter, "opts", ())]
    assert "--json" in flags


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str, syndicate: Call) -> None:
    result = syndicate(*name.split(), "--help")
    assert result.status == 0
    assert result.err == ""
    command = COMMANDS[name]
    assert (command.help or "").strip().endswith("."), "a sentence that says what it does"
    assert "Example" in result.out
    assert f"  syndicate {name}" in result.out or f" {name}" in result.out.partition("Example")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_help(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if parameter.name != "help":
            assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{name}")]
    row = next((line for line in rows if line.removeprefix(f"| `{name}")[0] in " `"), None)
    assert row is not None, f"docs/commands.md has no line for {name}"
    for parameter in COMMANDS[name].params:
        longest = max(getattr(parameter, "opts", ()), key=len, default="")
        if longest.startswith("--") and longest not in {"--json", "--help"}:
            assert longest in row, f"docs/commands.md does not name {longest} of {name}"


def test_the_document_names_no_command_that_is_not_there() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    for row in rows:
        called = row.removeprefix("| `").partition("`")[0]
        assert any(f"{called} ".startswith(f"{name} ") for name in COMMANDS), called


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_modules_of_commands_import_nothing_heavy_at_their_start(path: Path) -> None:
    light = ("__future__", "collections", "dataclasses", "datetime", "enum", "os", "pathlib", "sys", "typing", "typer")
    ours = ("syndicate.cli.", "syndicate.errors", "syndicate.model", "syndicate.shipped")
    for node in ast.parse(path.read_text()).body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.startswith(ours) or name.partition(".")[0] in {
                *light,
                "contextlib",
                "functools",
                "json",
                "re",
                "shlex",
            }, name


def test_help_starts_fast() -> None:
    # Processor time: the clock on the wall also counts whoever else uses the machine.
    best = 9.0
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "syndicate", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.5


def test_help_loads_no_heavy_module() -> None:
    code = "import sys, syndicate.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"pydantic", "sqlalchemy", "rich", "lxml", "jinja2", "apscheduler"}.isdisjoint(loaded)
