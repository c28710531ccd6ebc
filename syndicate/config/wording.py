"""Turns pydantic's errors into an operator's words. A secret's value is never shown.

``Fault`` is a problem before it is known whether its value came from the file or the environment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from syndicate.config.keys import SECTIONS, Model, is_secret, keys_of, nearest, shape, shape_of, sub_models

KeyPath = tuple[str | int, ...]
_SHOWN = 60
_CREDENTIALS = re.compile(r"://[^/\s@]*@")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the value at a key path."""

    path: KeyPath
    message: str
    severity: str = "error"


def faults_of(error: ValidationError, model: Model, path: KeyPath) -> list[Fault]:
    """One fault for each key that is wrong; ``path`` is where the section stands."""
    found: dict[KeyPath, Fault] = {}
    for detail in error.errors(include_url=False):
        place, field = _locate(model, detail["loc"])
        if detail["type"] == "too_short" and any(other[:-1] == place for other in found):
            continue  # only because pydantic leaves out the entries that are wrong
        # A value that fits no part of a union has one error for each part; the first says it for all.
        found.setdefault(place, Fault(path + place, _message(detail, place, field, model)))
    return list(found.values())


def _locate(model: Model, loc: Sequence[int | str]) -> tuple[KeyPath, FieldInfo | None]:
    """Follow pydantic's location as far as it names keys of ours (it also names parts of unions)."""
    keys = keys_of(model)
    if not loc:
        return (), None
    name = str(loc[0])
    field = keys.get(name)
    if field is None:
        return (name,), None
    for inner in sub_models(field.annotation):
        if len(loc) > 1:
            place, inner_field = _locate(inner, loc[1:])
            return (name, *place), inner_field
    if len(loc) > 1 and isinstance(loc[1], int) and _holds_list(field.annotation):
        return (name, loc[1]), field
    return (name,), field


def _holds_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(get_origin(part) is tuple for part in get_args(annotation))


def _message(detail: ErrorDetails, place: KeyPath, field: FieldInfo | None, model: Model) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return unknown_key(str(place[-1]), _keys_at(model, place))
    if kind == "missing":
        return f"missing; expected {shape(field).expected} ({field.description})" if field else "missing"
    if kind == "value_error":
        text = str(detail["ctx"]["error"])
        if not text.startswith("expected") or ", not " in text or isinstance(value, (dict, list)):
            return text
    elif field is None:
        text = "expected something else"
    else:
        text = f"expected {_expected(field, place)}"
    if field is not None and is_secret(field):
        return text
    return f"{text}, not {shown(value)}"


def _expected(field: FieldInfo, place: KeyPath) -> str:
    if isinstance(place[-1], int) and get_origin(field.annotation) is tuple:
        return shape_of(get_args(field.annotation)[0]).expected
    return shape(field).expected


def _keys_at(model: Model, place: KeyPath) -> list[str]:
    for name in place[:-1]:
        models = sub_models(keys_of(model)[str(name)].annotation)
        model = models[0]
    return list(keys_of(model))


def unknown_key(name: str, known: list[str]) -> str:
    """What to say of a key that its section does not have."""
    homes = _homes(name)
    if homes:
        return f"unknown key here; {name} belongs to {homes}"
    near = nearest(name, known)
    if near:
        return f"unknown key; did you mean {near}?"
    return f"unknown key; known here: {', '.join(known)}"


def unknown_section(name: str) -> str:
    """What to say of a section (or a stray key at the top) that does not exist."""
    homes = _homes(name)
    if homes:
        return f"a key outside of all sections; {name} belongs to {homes}"
    near = nearest(name, list(SECTIONS))
    if near:
        return f"unknown section; did you mean {SECTIONS[near].header}?"
    return f"unknown section; known are {', '.join(kind.header for kind in SECTIONS.values())}"


def _homes(name: str) -> str:
    """The sections that do have such a key."""
    homes = [kind.header for kind in SECTIONS.values() for model in kind.models if name in keys_of(model)]
    return " or ".join(dict.fromkeys(homes))


def shown(value: Any) -> str:
    """A value as it stands in the file, short, and without a password inside an address."""
    if isinstance(value, str):
        text = _CREDENTIALS.sub("://…@", value)
        text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        return repr(text.encode("utf-8", "backslashreplace").decode())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a number of that size"
    return str(value)
