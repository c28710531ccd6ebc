"""The reference of all keys, made from the models: the tables of ``docs/configuration.md``.

``python -m syndicate.config.reference`` prints them; a test compares the document with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from syndicate.config.durations import format_duration, format_size
from syndicate.config.keys import SECTIONS, Model, keys_of, later_issue, readers_see, shape, sub_models
from syndicate.config.rates import format_rate
from syndicate.model import Rate


@dataclass(frozen=True, slots=True)
class Key:
    """One key of config.toml as the reference shows it; ``header`` is its section's head with placeholders."""

    header: str
    name: str
    field: FieldInfo

    @property
    def type(self) -> str:
        return shape(self.field).words

    @property
    def default(self) -> str:
        """The default as TOML; "required" or "none" where there is none."""
        if self.field.is_required():
            return "required"
        value = self.field.default
        if value is None:
            return "none"
        return toml_value(value, size=self.type == "size")

    @property
    def meaning(self) -> str:
        if not later_issue(self.field):
            return str(self.field.description)
        later = "does not work yet" if readers_see(self.field) else "no effect yet in this version"
        return f"{self.field.description}; {later}"

    @property
    def row(self) -> str:
        """The key's line in a Markdown table."""
        written = self.default if self.default in {"required", "none"} else f"`{self.default}`"
        cells = [cell.replace("|", "\\|") for cell in (f"`{self.name}`", self.type, written, self.meaning)]
        return f"| {' | '.join(cells)} |"


def sections() -> Iterator[tuple[str, list[Key]]]:
    """Every section and sub-section with its keys; ``[source.NAME]`` once for what all types share, then by type."""
    for kind in SECTIONS.values():
        for model in kind.models:
            header = kind.header
            if kind.name == "source":
                header = f'{header} type = "{model.model_fields["type"].annotation.__args__[0]}"'  # type: ignore[union-attr]
            yield from _with_inner(header, kind.header, model)


def _with_inner(header: str, bare: str, model: Model) -> Iterator[tuple[str, list[Key]]]:
    yield header, [Key(header, name, field) for name, field in keys_of(model).items()]
    for name, field in keys_of(model).items():
        for inner in sub_models(field.annotation):
            deeper = f"{bare[:-1]}.{name}]"
            yield from _with_inner(deeper, deeper, inner)


def all_keys() -> list[Key]:
    """Every key of every section."""
    return [key for _, keys in sections() for key in keys]


def toml_value(value: Any, *, size: bool = False) -> str:
    """A default as it would be written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, Rate):
        return f'"{format_rate(value)}"'
    if isinstance(value, Enum):
        return json.dumps(value.value, ensure_ascii=False)
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(part) for part in value)}]"
    if isinstance(value, dict):
        return "{}"
    return f'"{format_size(value)}"' if size else str(value)


def tables() -> str:
    """All tables in Markdown, each under its section's head."""
    parts = []
    for header, keys in sections():
        parts += [f"### `{header}`", "", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        parts += [key.row for key in keys] + [""]
    return "\n".join(parts)


if __name__ == "__main__":
    print(tables())  # noqa: T201 - this is what it is for
