"""Reads config.toml and the environment into one frozen ``Settings``, or reports every problem there is at once."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syndicate.config.checks import cross_faults
from syndicate.config.doubts import warnings
from syndicate.config.environment import lay_over
from syndicate.config.keys import spelled
from syndicate.config.reading import Reader, Reading
from syndicate.config.settings import Settings
from syndicate.config.wording import KeyPath
from syndicate.errors import ConfigError, Problem

_LARGEST_FILE = 10_000_000


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the configuration. Raises ConfigError with every problem; warnings do not stop it."""
    settings, problems = inspect_settings(path, environ)
    if settings is None:
        raise ConfigError([problem for problem in problems if problem.severity == "error"])
    return settings


def inspect_settings(path: Path, environ: Mapping[str, str]) -> tuple[Settings | None, list[Problem]]:
    """Read the configuration and report all errors and warnings; no Settings when there is an error."""
    settings, problems = examine(path, environ)
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return settings, problems


def examine(path: Path, environ: Mapping[str, str]) -> tuple[Settings | None, list[Problem]]:
    """The same, with Settings as far as they can be read, so that templates can be looked at beside errors.

    What is wrong is left out of them; there are none when the file cannot be read at all.
    """
    file = str(path)
    try:
        data, readable = _read(path)
    except _UnreadableError as error:
        return None, [Problem(file, "", str(error))]
    layered = lay_over(data, environ)
    reader = Reader(path.absolute().parent)
    reader.read(layered.data)
    settings = Settings.model_construct(base=reader.base, **reader.sections)
    reading = Reading(
        given=layered.data,
        settings=settings,
        file_is_public=readable,
        from_environment=frozenset(layered.origins),
        faults=tuple(reader.faults),
    )
    faults = reader.faults
    told = [fault.path for fault in faults]
    faults += [fault for fault in cross_faults(reading) if not any(_same_place(fault.path, other) for other in told)]
    faults += warnings(reading)
    problems = layered.problems + [
        Problem(layered.where(fault, file), spelled(fault.path), fault.message, fault.severity) for fault in faults
    ]
    problems.sort(key=lambda problem: problem.severity)
    return settings, problems


def _same_place(path: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(path), len(other))
    return path[:shorter] == other[:shorter] and len(other) <= len(path)


class _UnreadableError(Exception):
    """The file as a whole cannot be used."""


def _read(path: Path) -> tuple[dict[str, Any], bool]:
    """The file's data, and whether everybody on this machine may read the file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _UnreadableError(
            "there is no such file; `syndicate init` writes one, `syndicate -c FILE` or SYNDICATE_CONFIG names another"
        ) from None
    except (OSError, ValueError) as error:
        raise _UnreadableError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > _LARGEST_FILE:
        raise _UnreadableError(f"larger than {_LARGEST_FILE} bytes: this is no configuration")
    try:
        # Editors on Windows put a byte order mark first, which TOML does not know.
        return tomllib.loads(content.decode("utf-8-sig")), bool(mode & stat.S_IROTH)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(f"expected text in UTF-8; line {line} holds another byte") from None
    except RecursionError:
        raise _UnreadableError("nested too deeply") from None
    except (
        ValueError
    ) as error:  # TOMLDecodeError says "(at line 3, column 5)"; a number of 5,000 digits is a bare ValueError
        raise _UnreadableError(f"not valid TOML: {error}") from None
