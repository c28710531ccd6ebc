from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any, get_args

import pytest
from configurations import Inspect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syndicate.config.checks import cross_faults
from syndicate.config.doubts import warnings
from syndicate.config.keys import SECTIONS, keys_of, spelled
from syndicate.config.load import inspect_settings
from syndicate.config.reading import Reader, Reading
from syndicate.config.settings import Settings

SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.sampled_from(
        ["folder", "database", "5m", "smtp", "Europe/London", "0 7 * * *", "https://a.example", "a@b.example", "x\0y"]
    ),
)
KEYS = sorted({key for kind in SECTIONS.values() for model in kind.models for key in keys_of(model)})
NAMES = st.sampled_from([*KEYS, "stories", "a-b", "a_b", "Ä", "", " "])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=6)
# Half of the time of the right form, so that the junk gets behind the first door.
SECTION_VALUES = st.one_of(VALUES, TABLES, st.dictionaries(NAMES, TABLES, max_size=3), st.lists(TABLES, max_size=3))
DOCUMENTS = st.dictionaries(
    st.sampled_from([*SECTIONS, "base", "titel"]) | st.text(max_size=5), SECTION_VALUES, max_size=6
)


@given(DOCUMENTS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_data_gives_faults_or_settings_and_never_another_exception(data: dict[str, Any]) -> None:
    reader = Reader(Path("/nowhere"))
    reader.read(data)
    reading = Reading(
        given=data,
        settings=Settings.model_construct(base=reader.base, **reader.sections),
        file_is_public=True,
        from_environment=frozenset(),
    )
    faults = [*reader.faults, *cross_faults(reading), *warnings(reading)]
    for fault in faults:
        assert fault.message
        assert spelled(fault.path)
        assert "pydantic" not in fault.message
    if not reader.faults:
        assert isinstance(Settings(base=reader.base, **reader.sections), Settings)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_give_settings_or_problems(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    found, problems = inspect_settings(path, {})
    assert (found is None) == any(problem.severity == "error" for problem in problems)


LOCAL_TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - TOML's local times have no zone


@pytest.mark.parametrize(
    "value", [date(2026, 1, 1), LOCAL_TIME, time(7, 30), 5, 5.5, True, [], {}, [{}], "x", float("nan")]
)
def test_every_section_refuses_what_is_no_section(value: Any) -> None:
    for name, kind in SECTIONS.items():
        reader = Reader(Path("/nowhere"))
        reader.read({name: value})
        fits = isinstance(value, dict) if kind.form != "list" else value == []
        if name == "smtp" and value == [{}]:
            assert [fault.path for fault in reader.faults] == [("smtp", 0, "host")]
        else:
            assert bool(reader.faults) is not fits, name


def test_every_key_refuses_a_wrong_type_in_our_words(inspect: Inspect) -> None:
    for kind in SECTIONS.values():
        head = {"one": f"[{kind.name}]", "named": f"[{kind.name}.x]", "list": f"[[{kind.name}]]"}[kind.form]
        for model in kind.models:
            tag = f'type = "{get_args(model.model_fields["type"].annotation)[0]}"\n' if kind.name == "source" else ""
            for key in keys_of(model):
                if key == "type":
                    continue
                wrong = "{ x = 1 }" if key == "schedule_from" else "1979-05-27"
                _, problems = inspect(f"{head}\n{tag}{key} = {wrong}\n")
                path = {"one": kind.name, "named": f"{kind.name}.x", "list": f"{kind.name}.0"}[kind.form]
                mine = [problem for problem in problems if problem.key == f"{path}.{key}"]
                assert len(mine) == 1, (head, key, problems)
                assert mine[0].message.startswith("expected ")
