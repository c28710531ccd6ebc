"""What the models say of their keys: names as operators write them, accepted TOML types, and words for both.

Read by the environment, by messages and by ``docs/configuration.md``; nothing here knows a value.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from syndicate.config.durations import DURATION_EXAMPLE, SIZE_EXAMPLE, parse_size
from syndicate.config.rates import RATE_EXAMPLE
from syndicate.config.settings import Settings
from syndicate.config.sources import DatabaseSource, FeedSource, FolderSource, PushSource, UnbuiltSource
from syndicate.model import Rate

Model = type[BaseModel]
SOURCE_TYPES: dict[str, Model] = {
    "folder": FolderSource,
    "database": DatabaseSource,
    "feed": FeedSource,
    "push": PushSource,
}
UNBUILT_SOURCE_TYPES: tuple[str, ...] = get_args(UnbuiltSource.model_fields["type"].annotation)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may be: the types that TOML gives for it, its name in tables, and what a message asks for."""

    kinds: frozenset[type]
    words: str
    expected: str


@dataclass(frozen=True, slots=True)
class SectionKind:
    """A top-level section: ``form`` is ``one`` ([site]), ``named`` ([feed.NAME]) or ``list`` ([[smtp]])."""

    name: str
    form: Literal["one", "named", "list"]
    models: tuple[Model, ...]

    @property
    def header(self) -> str:
        """The section's head as it stands in the file."""
        quoted = '"DOMAIN"' if self.name == "throttle" else "NAME"
        return {"one": f"[{self.name}]", "named": f"[{self.name}.{quoted}]", "list": f"[[{self.name}]]"}[self.form]


def _section_kind(name: str, annotation: Any) -> SectionKind:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        models = tuple(SOURCE_TYPES.values()) if name == "source" else (arguments[1],)
        return SectionKind(name, "named", models)
    if origin is tuple:
        return SectionKind(name, "list", (arguments[0],))
    return SectionKind(name, "one", (annotation,))


SECTIONS: dict[str, SectionKind] = {
    name: _section_kind(name, field.annotation) for name, field in Settings.model_fields.items() if name != "base"
}


def keys_of(model: Model) -> dict[str, FieldInfo]:
    """The keys of a section by the name that operators write (``from``, not ``from_``)."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def is_secret(field: FieldInfo) -> bool:
    """Whether a key's value must never be shown."""
    return not field.repr or SecretStr in {field.annotation, *get_args(field.annotation)}


def later_issue(field: FieldInfo) -> str | None:
    """The part of the product that brings a key to life, if it has no effect yet."""
    extra = field.json_schema_extra
    return str(extra["later"]) if isinstance(extra, dict) and "later" in extra else None


def readers_see(field: FieldInfo) -> bool:
    """Whether readers would get something else if such a key had its effect: until then a value is an error."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("seen"))


def shape(field: FieldInfo) -> Shape:
    """What a key takes."""
    found = shape_of(field.annotation, field.metadata)
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "expected" in extra:
        return Shape(found.kinds, found.words, str(extra["expected"]))
    return found


_SIMPLE: dict[Any, Shape] = {
    str: Shape(frozenset({str}), "text", "a text in quotes"),
    SecretStr: Shape(frozenset({str}), "text", "a text in quotes"),
    Path: Shape(frozenset({str}), "path", "a path in quotes"),
    bool: Shape(frozenset({bool}), "true or false", "true or false"),
    Rate: Shape(frozenset({str}), "rate", RATE_EXAMPLE),
    timedelta: Shape(frozenset({str}), "duration", DURATION_EXAMPLE),
    Any: Shape(frozenset({str, int, float, bool, list, dict}), "any", "any value"),
}


def shape_of(annotation: Any, metadata: Sequence[Any] = ()) -> Shape:
    """What a bare type takes; ``metadata`` as pydantic keeps it beside a field."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(arguments[0], [*metadata, *arguments[1:]])
    if origin in {Union, types.UnionType}:
        parts = [shape_of(part, metadata) for part in arguments if part is not type(None)]
        kinds = frozenset[type]().union(*(part.kinds for part in parts))
        return Shape(kinds, " or ".join(part.words for part in parts), " or ".join(part.expected for part in parts))
    if origin is tuple:
        part = shape_of(arguments[0])
        return Shape(
            frozenset({list}), f"list of {part.words}", f"a list in brackets of {part.words.replace(' |', ',')}"
        )
    if annotation is int:
        return _number(metadata)
    words = _words(annotation)
    if words:
        *most, last = words
        wanted = f"{', '.join(most)} or {last}" if most else last
        return Shape(frozenset({str}), " | ".join(words), wanted)
    return _SIMPLE.get(annotation, Shape(frozenset({dict}), "table", "a table"))


def _words(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [f'"{word}"' for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return [f'"{word.value}"' for word in annotation]
    return []


def _number(metadata: Sequence[Any]) -> Shape:
    if any(getattr(part, "func", None) is parse_size for part in metadata):
        return Shape(frozenset({int, str}), "size", SIZE_EXAMPLE)
    lowest = next((part.ge for part in metadata if isinstance(part, Ge)), None)
    highest = next((part.le for part in metadata if isinstance(part, Le)), None)
    if highest is not None:
        return Shape(frozenset({int}), f"number {lowest}-{highest}", f"a whole number from {lowest} to {highest}")
    if lowest is not None:
        return Shape(frozenset({int}), f"number from {lowest}", f"a whole number, at least {lowest}")
    return Shape(frozenset({int}), "number", "a whole number")


def sub_models(annotation: Any) -> tuple[Model, ...]:
    """The sections that a key or section may hold: of a union all, of a plain value none."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return sub_models(arguments[0])
    if origin in {Union, types.UnionType}:
        return tuple(model for part in arguments for model in sub_models(part))
    return (annotation,) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ()


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that was probably meant, if any is like it."""
    found = get_close_matches(name[:64].lower(), known, 1)
    return found[0] if found else None


def spelled(path: tuple[str | int, ...]) -> str:
    """A key path as operators read it: ``digest.morning.send_at``, ``smtp.0.port``, ``throttle."a.example".rate``."""
    parts = [str(part) for part in path]
    return ".".join(
        part if part and part.replace("_", "").replace("-", "").isalnum() else f'"{part}"' for part in parts
    )
