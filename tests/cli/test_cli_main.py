"""Global options, exit statuses, and how errors are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from calls import Call

from syndicate import __version__, errors
from syndicate.cli.errors import exit_status, report, unexpected
from syndicate.errors import ConfigError, Problem, StoreError, SyndicateError, UnknownNameError, UsageError


def test_version(syndicate: Call) -> None:
    result = syndicate("--version")
    assert (result.status, result.out) == (0, f"syndicate {__version__}\n")


def test_no_command_shows_help_and_is_a_usage_error(syndicate: Call) -> None:
    result = syndicate()
    assert result.status == 2
    assert "Usage: syndicate [OPTIONS] COMMAND" in result.out + result.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["check", "--nonsense"], ["check", "nonsense"], ["db", "upgrad"], ["-c"]]
)
def test_wrong_calls_end_with_2_and_no_traceback(syndicate: Call, arguments: list[str]) -> None:
    result = syndicate(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert "Error: " in result.err
    assert "Traceback" not in result.err


def test_a_missing_configuration_ends_with_2_and_says_what_to_do(syndicate: Call) -> None:
    result = syndicate("db", "upgrade")
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("syndicate: 1 problem in the configuration:\n  config.toml: there is no such file")
    assert "syndicate init" in result.err


def test_the_configuration_is_named_by_option_or_environment(
    syndicate: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text("[x]\n")
    assert "config.toml: there is no" in syndicate("db", "upgrade").err
    assert "a.toml: x: unknown section" in syndicate("-c", "a.toml", "db", "upgrade").err
    assert "a.toml: x: unknown section" in syndicate("--config", tmp_path / "a.toml", "db", "upgrade").err
    monkeypatch.setenv("SYNDICATE_CONFIG", "a.toml")
    assert "a.toml: x: unknown section" in syndicate("db", "upgrade").err
    assert "b.toml: there is no" in syndicate("-c", "b.toml", "db", "upgrade").err


def test_every_error_class_has_an_exit_status() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, SyndicateError):
            assert exit_status(kind.__new__(kind)) in {1, 2}, name
    assert exit_status(ConfigError([])) == 2
    assert exit_status(UsageError("x")) == 2
    assert exit_status(UnknownNameError("x")) == 2
    assert exit_status(StoreError("x")) == 1
    assert exit_status(ValueError("x")) == 1
    assert exit_status(KeyboardInterrupt()) == 130


def test_an_error_of_ours_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ConfigError([Problem("config.toml", "site.url", "missing")])) == 2
    assert capsys.readouterr().err == "syndicate: 1 problem in the configuration:\n  config.toml: site.url: missing\n"


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(StoreError("no \x1b[2J\x07 table"))
    assert "\x1b" not in capsys.readouterr().err


def broken() -> None:
    raise ZeroDivisionError("a fault\nof ours")


def test_a_fault_of_ours_is_one_line_with_its_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNDICATE_DEBUG", raising=False)
    with pytest.raises(ZeroDivisionError) as caught:
        broken()
    assert report(caught.value) == 1
    line = broken.__code__.co_firstlineno + 1
    assert unexpected(caught.value).startswith(f"unexpected ZeroDivisionError at {__file__}:{line}: a fault of ours; ")
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "report" in shown
    monkeypatch.setenv("SYNDICATE_DEBUG", "1")
    report(caught.value)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_no_noise(tmp_path: Path) -> None:
    # A pipe without a writer keeps the program where it reads its configuration.
    os.mkfifo(tmp_path / "config.toml")
    # Where the tests run in the background of a shell, SIGINT is ignored, and what they start would ignore it as well.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    child = subprocess.Popen(
        [sys.executable, "-m", "syndicate", "check"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    signal.signal(signal.SIGINT, before)
    try:
        # Opening for writing without waiting succeeds only when the reader is there.
        for _ in range(1200):
            try:
                writer = os.open(tmp_path / "config.toml", os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:  # ENXIO: nobody reads yet
                time.sleep(0.05)
        else:
            pytest.fail("the program never opened its configuration")
        # A signal that comes between opening and reading is seen only when the read ends: then it is sent again.
        for _ in range(10):
            child.send_signal(signal.SIGINT)
            try:
                out, err = child.communicate(timeout=3)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            pytest.fail("the program did not end on SIGINT")
        os.close(writer)
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("".join(f"[section{number}]\n" for number in range(5000)))
    child = subprocess.Popen(
        [sys.executable, "-m", "syndicate", "check"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    err = child.stderr.read()
    child.stderr.close()
    child.wait(timeout=60)
    assert err == b""
    assert child.returncode == 1


def test_json_goes_to_stdout_and_errors_to_stderr(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    result = syndicate("db", "upgrade", "--json")
    assert result.status == 0
    assert result.err == ""
    assert result.document["database"].endswith("subscribers.db")
    assert result.document["applied"]
    assert syndicate("db", "upgrade", "--json").document["applied"] == []
    assert "was up to date" in syndicate("db", "upgrade").out


def test_an_unreachable_database_is_one_line_and_status_1(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[service]\ndatabase = "postgresql://u:geheim@127.0.0.1:1/x"\n')
    result = syndicate("db", "upgrade")
    assert result.status == 1
    assert result.err.startswith("syndicate: postgresql://u:***@127.0.0.1:1/x")
    assert "geheim" not in result.err
    assert "Traceback" not in result.err


def test_a_database_address_that_is_none(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[service]\ndatabase = "nonsense"\n')
    result = syndicate("db", "upgrade")
    assert result.status in {1, 2}
    assert "Traceback" not in result.err


def test_db_upgrade_makes_the_folder_of_the_database(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[service]\ndatabase = "sqlite:///var/lib/subscribers.db"\n')
    assert syndicate("db", "upgrade").status == 0
    assert (tmp_path / "var" / "lib" / "subscribers.db").exists()
