"""How tests call the command line: in this process (fast) or as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calls import Call, Result

from syndicate.cli.main import run


@pytest.fixture
def syndicate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`syndicate("check", "--json")` in this process, in `tmp_path`: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["syndicate"])
    for name in list(os.environ):
        if name.startswith("SYNDICATE_"):
            monkeypatch.delenv(name)

    def call(*arguments: str | Path) -> Result:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def process(tmp_path: Path) -> Call:
    """The same as a real process: `process("check", env={...})`."""

    def call(*arguments: str | Path, env: dict[str, str] | None = None, stdin: str = "") -> Result:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATE_")}
        done = subprocess.run(
            [sys.executable, "-m", "syndicate", *map(str, arguments)],
            capture_output=True,
            text=True,
            input=stdin,
            cwd=tmp_path,
            env=clean | (env or {}),
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call
