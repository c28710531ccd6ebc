"""The settings in force, without secrets, and what the file says otherwise by now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from syndicate.config import Settings
from syndicate.config.durations import format_duration
from syndicate.config.load import inspect_settings
from syndicate.model import Role
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_SECRET: Final = ("password", "secret", "token", "dsn", "database", "key", "url_file")
_NOT_SET: Final = "not set"
_HIDDEN: Final = "set, not shown here"


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that the file has otherwise; what is secret is said to differ and not shown."""

    key: str
    in_force: str
    in_file: str


class SettingsPlaces:
    """The handler, with what it needs."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """For owners."""
        return [Place("/settings", "GET", Role.OWNER, self.settings)]

    def settings(self, call: Call) -> Response:
        """Differences first, then each section: what is set, and what is left at "not set"."""
        sections = []
        for section, values in _document(self._services.settings).items():
            rows = [(key, _shown(key, value)) for key, value in sorted(_flat(values))]
            if rows:
                given = [row for row in rows if row[1] != _NOT_SET]
                sections.append((section, given, [key for key, shown in rows if shown == _NOT_SET]))
        differences, problems = self._differences()
        file = self._services.config_file
        return self._guard.page(
            call,
            "settings",
            sections=sections,
            differences=differences,
            problems=problems,
            file=None if file is None else str(file),
        )

    def _differences(self) -> tuple[list[Difference], list[str]]:
        """Where the file differs; or what is wrong with it, so that a restart would fail."""
        file = self._services.config_file
        if file is None:
            return [], []
        found, problems = inspect_settings(file, os.environ)
        if found is None:
            return [], [str(problem) for problem in problems if problem.severity == "error"]
        now, then = _flattened(self._services.settings), _flattened(found)
        return [
            Difference(key, _shown(key, now.get(key)), _shown(key, then.get(key)))
            for key in sorted({*now, *then})
            if now.get(key) != then.get(key)
        ], []


def _document(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(by_alias=True)


def _flattened(settings: Settings) -> dict[str, Any]:
    return {
        f"{section}.{key}" if key else section: value
        for section, values in _document(settings).items()
        for key, value in _flat(values)
    }


def _flat(values: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(values, dict):
        return [row for key, value in values.items() for row in _flat(value, f"{path}.{key}" if path else str(key))]
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], dict):
        return [row for place, value in enumerate(values, 1) for row in _flat(value, f"{path}[{place}]")]
    return [(path, values)] if path else []


def _shown(path: str, value: Any) -> str:
    if value is None or value in ("", [], (), {}):
        return _NOT_SET
    last = path.rpartition(".")[2].lower()
    text = ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)
    # Addresses may hold a password (RFC 3986 3.2.1), or a token in their query.
    if any(word in last for word in _SECRET) or ("://" in text and ("@" in text or "?" in text)):
        return _HIDDEN
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_duration(value) if isinstance(value, timedelta) else str(value)
