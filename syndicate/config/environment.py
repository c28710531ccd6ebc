"""Lays ``SYNDICATE_SECTION__KEY`` variables over the data of config.toml, and remembers what came from which.

Nothing is validated here but the variables' names; a value becomes what its key takes, else it stays text.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin

from syndicate.config.keys import SECTIONS, keys_of, nearest, shape, shape_of, spelled, sub_models
from syndicate.config.settings import Settings
from syndicate.config.wording import Fault, KeyPath
from syndicate.errors import Problem

PREFIX = "SYNDICATE_"
# Read by the program itself, not settings.
_OURS = frozenset({"SYNDICATE_CONFIG", "SYNDICATE_DEBUG"})
# Kubernetes sets these in every container beside a service that is called "syndicate"; Docker's links do the same.
_PLATFORM = re.compile(
    r"SYNDICATE_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|NAME)"
)


@dataclass(slots=True)
class Layered:
    """The file's data with the environment laid over it. ``origins``: key path -> the variable that gave it."""

    data: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, fault: Fault, file: str) -> str:
        """The variable that a faulty value came from, else the file."""
        for length in range(len(fault.path), 0, -1):
            if fault.path[:length] in self.origins:
                return self.origins[fault.path[:length]]
        return file


class _VariableError(Exception):
    """A variable cannot be used; the message is for the operator."""


def lay_over(data: dict[str, Any], environ: Mapping[str, str]) -> Layered:
    """Apply every ``SYNDICATE_`` variable to ``data`` (changed in place), in the order of their names.

    Names are compared without case, and ``_`` also stands for a ``-`` or ``.`` in a name of the file (``my-feed``).
    """
    layered = Layered(data)
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _OURS or _PLATFORM.fullmatch(variable):
            continue
        try:
            _Setter(layered, variable, environ[variable]).set(data, Settings, (), _parts(variable))
        except _VariableError as error:
            layered.problems.append(Problem(variable, "", str(error)))
    return layered


def _parts(variable: str) -> list[str]:
    return variable.removeprefix(PREFIX).split("__")


@dataclass(slots=True)
class _Setter:
    """Puts the value of one variable where its name says, following the models' types."""

    layered: Layered
    variable: str
    text: str

    def set(self, holder: Any, annotation: Any, path: KeyPath, parts: list[str]) -> None:
        """``annotation`` describes ``holder``; the first of ``parts`` names a key or a position in it."""
        key, inner, kinds = self._step(holder, annotation, path, parts[0])
        place = (*path, key)
        if len(parts) == 1:
            self._put(holder, key, value_of(self._clean_text(), kinds))
            self.layered.origins[place] = self.variable
            self._drop_twin(holder, path, str(key))
            return
        if not kinds & {dict, list}:
            raise self._unknown()
        new = key >= len(holder) if isinstance(key, int) else key not in holder
        child: Any = ([] if kinds == {list} else {}) if new else holder[key]
        if type(child) not in kinds:
            return  # the file's own mistake, reported with the file
        self.set(child, inner, place, parts[1:])
        if new:
            self._put(holder, key, child)
            self.layered.origins[place] = self.variable

    def _step(self, holder: Any, annotation: Any, path: KeyPath, part: str) -> tuple[str | int, Any, frozenset[type]]:
        """The key that a part of the name stands for, the type behind it, and the TOML types it takes."""
        models = sub_models(annotation)
        if models:
            known = {name: field for model in models for name, field in keys_of(model).items()}
            name = part.lower()
            if name not in known or (name == "base" and not path):
                raise self._unknown()
            return name, known[name].annotation, shape(known[name]).kinds
        container = _container(annotation)
        if get_origin(container) is tuple and isinstance(holder, list):
            inner = get_args(container)[0]
            return _position(holder, part, spelled(path)), inner, shape_of(inner).kinds
        if isinstance(holder, dict) and (container is Any or get_origin(container) is dict):
            inner = Any if container is Any else get_args(container)[1]
            return _existing(holder, part), inner, shape_of(inner).kinds
        raise self._unknown()

    @staticmethod
    def _put(holder: Any, key: str | int, value: Any) -> None:
        if isinstance(holder, list) and key == len(holder):
            holder.append(value)
        else:
            holder[key] = value

    def _drop_twin(self, holder: Any, path: KeyPath, key: str) -> None:
        # `password` from the environment replaces the file's `password_file`, and the reverse.
        twin = key.removesuffix("_file") if key.endswith("_file") else f"{key}_file"
        if isinstance(holder, dict) and (*path, twin) not in self.layered.origins:
            holder.pop(twin, None)

    def _clean_text(self) -> str:
        try:
            self.text.encode()
        except UnicodeEncodeError:  # bytes that are no UTF-8 arrive as lone surrogates
            raise _VariableError("expected text in UTF-8") from None
        return self.text

    def _unknown(self) -> _VariableError:
        near = _nearest_variable(self.layered.data, self.variable)
        return _VariableError(
            f"unknown variable; did you mean {near}?" if near else "unknown variable: no key has this name"
        )


def _container(annotation: Any) -> Any:
    """Of an optional or mixed type the part that holds others."""
    parts = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    return next((part for part in parts if get_origin(part) in {tuple, dict}), annotation)


def value_of(text: str, kinds: frozenset[type]) -> Any:
    """Read a variable's text as TOML if that gives one of the types wanted, else keep it as it is."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    # A line break in the text could bring more keys in.
    if set(read) == {"value"} and type(read["value"]) in kinds:
        return read["value"]
    return text


def _existing(holder: dict[str, Any], part: str) -> str:
    """The name in the file that a part of a variable's name stands for, else that part in lower case."""
    name = part.lower()
    same = [known for known in holder if known.lower() == name]
    alike = [known for known in holder if re.sub("[-.]", "_", known.lower()) == name]
    return (same or alike or [name])[0]


def _position(holder: list[Any], part: str, section: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", part) or int(part) > len(holder):
        wanted = f"a number from 0 to {len(holder)}" if holder else "0"
        raise _VariableError(f"expected {wanted} to say which {section} is meant, not {part!r}")
    return int(part)


def _nearest_variable(data: dict[str, Any], variable: str) -> str | None:
    """The variable that was probably meant, of all that would be known beside this file."""
    parts = _parts(variable)
    known: list[str] = []
    for name, kind in SECTIONS.items():
        entries = data.get(name)
        named = [*parts[1:2], *(str(entry) for entry in entries)] if isinstance(entries, dict) else parts[1:2]
        middle = {"one": [""], "list": ["0__"], "named": [f"{entry}__" for entry in named]}[kind.form]
        known += [
            f"{name}__{entry}{key}".lower() for model in kind.models for key in keys_of(model) for entry in middle
        ]
    found = nearest(variable.removeprefix(PREFIX), known)
    return f"{PREFIX}{found.upper().replace('-', '_')}" if found else None
