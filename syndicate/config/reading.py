"""Turns the data of config.toml into sections one by one, so that a fault in one hides none in another.

Where the data comes from: ``load.py``. What sections mean to each other: ``checks.py`` and ``doubts.py``.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from syndicate.config.keys import SECTIONS, SOURCE_TYPES, UNBUILT_SOURCE_TYPES, Model, SectionKind, nearest
from syndicate.config.secret_files import read_twins
from syndicate.config.settings import Settings
from syndicate.config.values import domain_name
from syndicate.config.wording import Fault, KeyPath, faults_of, shown, unknown_section

# Names stand in addresses (/feeds/NAME/…), file names and Message-IDs.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
# Everything else ends up in a header, a title or a log line.
_SEVERAL_LINES = frozenset({"description", "postal_address", "query"})
# For required keys that are missing: values that no rule between keys has anything to say of.
STAND_IN = "stand-in.invalid"
_STAND_INS: dict[str, Any] = {
    "path": ".",
    "host": STAND_IN,
    "url": f"postgresql://{STAND_IN}",
    "columns": {"id": "id", "title": "title"},
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A configuration as far as it could be read. ``given`` is the data itself: what was written, right or wrong."""

    given: Mapping[str, Any]
    settings: Settings
    file_is_public: bool
    from_environment: frozenset[KeyPath]
    faults: Sequence[Fault] = ()

    def names(self, section: str) -> list[str]:
        """The names given in a section, also of entries that are faulty."""
        entries = self.given.get(section)
        return [str(name) for name in entries] if isinstance(entries, dict) else []

    def is_left_out(self, place: KeyPath) -> bool:
        """Whether a key was written and is wrong, so that the settings hold its default."""
        return any(fault.path[: len(place)] == place for fault in self.faults)


class Reader:
    """Turns the data into sections, one by one, and collects the faults."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.faults: list[Fault] = []
        self.sections: dict[str, Any] = {}

    def read(self, data: dict[str, Any]) -> None:
        """Read all sections. What is wrong in a section is left out of it, so that the rest can be looked at."""
        for name in data:
            if name not in SECTIONS:
                self.faults.append(Fault((name,), unknown_section(name)))
        for name, kind in SECTIONS.items():
            value = data.get(name)
            if kind.form == "list":
                self.sections[name] = tuple(self._list(kind, value))
            elif kind.form == "named":
                self.sections[name] = dict(self._named(kind, value))
            else:
                self.sections[name] = self._section(kind.models[0], value if value is not None else {}, (name,), kind)

    def _list(self, kind: SectionKind, value: Any) -> list[BaseModel]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.faults.append(Fault((kind.name,), f"expected {kind.header} in double brackets, not {shown(value)}"))
            return []
        found = [self._section(kind.models[0], table, (kind.name, at), kind) for at, table in enumerate(value)]
        return [section for section in found if section is not None]

    def _named(self, kind: SectionKind, value: Any) -> list[tuple[str, BaseModel]]:
        if value is None:
            return []
        if not isinstance(value, dict):
            self.faults.append(Fault((kind.name,), f"expected {kind.header}, not {shown(value)}"))
            return []
        found = []
        for name, table in value.items():
            path = (kind.name, name)
            if not isinstance(table, dict):
                self.faults.append(Fault(path, f"expected {kind.header}: a section with a name, not {shown(table)}"))
                continue
            self._check_name(kind, name, value)
            model = self._source_model(table, path) if kind.name == "source" else kind.models[0]
            section = self._section(model, table, path, kind) if model else None
            if section is not None:
                found.append((name, section))
        return found

    def _check_name(self, kind: SectionKind, name: str, others: dict[str, Any]) -> None:
        path = (kind.name, name)
        if kind.name == "throttle":
            try:
                domain_name(name)
            except ValueError as error:
                self.faults.append(Fault(path, str(error)))
            return
        if not _NAME.fullmatch(name):
            self.faults.append(
                Fault(path, f"expected a name of a-z, 0-9, _ and - (it stands in addresses), not {shown(name)}")
            )
        twin = next((other for other in others if other != name and _plain(other) == _plain(name)), None)
        if twin is not None and twin < name:
            self.faults.append(
                Fault(path, f"expected a name that differs from {shown(twin)} by more than case, _ and -")
            )

    def _source_model(self, table: dict[str, Any], path: KeyPath) -> Model | None:
        kind = table.get("type")
        if isinstance(kind, str) and kind in SOURCE_TYPES:
            return SOURCE_TYPES[kind]
        *most, last = (f'"{name}"' for name in SOURCE_TYPES)
        wanted = f"{', '.join(most)} or {last}"
        if kind is None:
            message = f"missing; expected {wanted}"
        elif kind in UNBUILT_SOURCE_TYPES:
            message = f"{shown(kind)} does not work yet in this version; use {wanted}"
        else:
            near = nearest(kind, [*SOURCE_TYPES, *UNBUILT_SOURCE_TYPES]) if isinstance(kind, str) else None
            message = f"expected {wanted}, not {shown(kind)}" + (f'; did you mean "{near}"?' if near else "")
        self.faults.append(Fault((*path, "type"), message))
        return None

    def _section(self, model: Model, value: Any, path: KeyPath, kind: SectionKind) -> BaseModel | None:
        if not isinstance(value, dict):
            self.faults.append(Fault(path, f"expected {kind.header}: a section with keys, not {shown(value)}"))
            return _without(model, {}, [])
        twins = read_twins(value, model, path, self.base)
        broken = list(_broken_texts(value, path))
        self.faults += twins + broken
        # A secret that could not be read is not also missing.
        hidden = {(*path, str(fault.path[-1]).removesuffix("_file")) for fault in twins} | {
            fault.path for fault in broken
        }
        try:
            section = model.model_validate(value)
        except ValidationError as error:
            faults = [fault for fault in faults_of(error, model, path) if fault.path not in hidden]
            wrong = faults_of(error, model, ())
        else:
            if not broken:
                return section
            faults, wrong = [], []
        self.faults += faults
        places = [fault.path for fault in wrong] + [fault.path[len(path) :] for fault in broken]
        return _without(model, value, places)


def _without(model: Model, value: dict[str, Any], wrong: list[KeyPath]) -> BaseModel | None:
    """The section without what is wrong in it, for the rules between keys; nothing else is ever done with it.

    Required keys that are wrong or missing are stood in for, so that the right ones beside them are looked at too.
    """
    whole = copy.deepcopy(value)
    for place in wrong:
        _drop(whole, place)
    try:
        return model.model_validate(whole)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _stand_in(whole, detail["loc"])
    try:
        return model.model_validate(whole)
    except ValidationError:  # pragma: no cover - what is wrong was dropped, what is missing was stood in for
        return None


def _drop(table: dict[str, Any], place: KeyPath) -> None:
    """Take out the key at a place; a list goes as a whole, since its positions would move."""
    holder: Any = table
    *way, last = place
    for key in way:
        inner = holder.get(key)
        if not isinstance(inner, dict):
            last = key
            break
        holder = inner
    holder.pop(last, None)


def _stand_in(table: dict[str, Any], place: Sequence[int | str]) -> None:
    holder: Any = table
    *way, last = place
    for key in way:
        holder = holder.setdefault(key, {})
    holder[last] = _STAND_INS.get(str(last), str(last))


def _broken_texts(value: Any, path: KeyPath) -> Iterator[Fault]:
    """Control characters anywhere, and line breaks where a value stands in one line of a mail, a feed or a log."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _broken_texts(part, (*path, key))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from _broken_texts(part, (*path, at))
    elif isinstance(value, str):
        allowed = "\t\n\r" if path[-1] in _SEVERAL_LINES else "\t"
        bad = next((sign for sign in value.strip() if unicodedata.category(sign) == "Cc" and sign not in allowed), None)
        if bad is not None:
            what = "a line break" if bad in "\n\r" else f"the control character U+{ord(bad):04X}"
            yield Fault(path, f"expected one line of text without control characters; it holds {what}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
