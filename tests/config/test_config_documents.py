"""config.toml and docs/configuration.md hold every key of the models, with its true default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from syndicate.config.keys import SECTIONS, Model, keys_of, later_issue, readers_see, sub_models
from syndicate.config.load import inspect_settings
from syndicate.config.reference import Key, all_keys, sections, tables, toml_value

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config.toml"
STARTER = ROOT / "examples" / "starter" / "config.toml"
_HEAD = re.compile(r'^(?:# )?\[\[?([a-z_]+)(?:\.(?:"[^"]*"|[^\].]+))?(?:\.([a-z_]+))?\]\]?')
_KEY = re.compile(r"^(# )?([a-z_]+) = (.*)$")


def shown_keys(path: Path) -> dict[tuple[str, str], list[tuple[bool, str]]]:
    """(section, key) -> [(active, the rest of the line)], with a sub-section as "source.columns".

    Keys of sources are found a second time by type, as 'source "feed"': the same key may have another default there.
    """
    found: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    section = kind = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if head := _HEAD.match(line):
            section = ".".join(part for part in head.groups() if part)
        elif key := _KEY.match(line):
            found.setdefault((section, key[2]), []).append((key[1] is None, key[3]))
            if section == "source":
                kind = key[3].split()[0] if key[2] == "type" else kind
                found.setdefault((f"source {kind}", key[2]), []).append((key[1] is None, key[3]))
    return found


def sections_of_models() -> dict[str, list[Model]]:
    found: dict[str, list[Model]] = {}
    for name, kind in SECTIONS.items():
        for model in kind.models:
            found.setdefault(name, []).append(model)
            for key, field in keys_of(model).items():
                for inner in sub_models(field.annotation):
                    found.setdefault(f"{name}.{key}", []).append(inner)
    return found


@pytest.mark.parametrize(("section", "models"), sections_of_models().items())
def test_the_sample_shows_every_key(section: str, models: list[Model]) -> None:
    shown = {key for place, key in shown_keys(SAMPLE) if place == section}
    known = {key for model in models for key, field in keys_of(model).items() if not sub_models(field.annotation)}
    assert shown == known


def test_the_sample_explains_every_key() -> None:
    described = [line for line in SAMPLE.read_text(encoding="utf-8").splitlines() if _KEY.match(line)]
    in_short = {
        "publisher",
        "language",
        "timezone",
        "max_article_size",
        "categories",
        "tags",
        "authors",
        "languages",
        "title",
    }
    for line in described:
        key = _KEY.match(line)
        assert key is not None
        assert "  # " in line or key[2] in in_short, line


@pytest.mark.parametrize(
    "key", [key for key in all_keys() if not key.field.is_required()], ids=lambda key: f"{key.header} {key.name}"
)
def test_what_is_commented_out_in_the_sample_is_the_default(key: Key) -> None:
    section = ".".join(part for part in re.findall(r"[a-z_]+", key.header.split("]")[0]))
    kind = re.search(r'type = ("[a-z]+")', key.header)
    lines = shown_keys(SAMPLE)[f"source {kind[1]}" if kind else section, key.name]
    written = [text for active, text in lines if not active]
    default = key.field.default
    if default is None or not written:
        return
    for text in written:
        value = tomllib.loads(f"value = {text}")["value"]
        assert value == tomllib.loads(f"value = {key.default}")["value"], key


@pytest.mark.parametrize(
    "key", [key for key in all_keys() if later_issue(key.field)], ids=lambda key: f"{key.header} {key.name}"
)
def test_what_does_not_work_yet_is_marked_in_the_sample(key: Key) -> None:
    section = re.findall(r"[a-z_]+", key.header)[0]
    for active, text in shown_keys(SAMPLE)[section, key.name]:
        assert not active
        assert ("# not yet, an error: " if readers_see(key.field) else "# not yet: ") in text


@pytest.mark.parametrize("path", [SAMPLE, STARTER], ids=["sample", "starter"])
def test_they_load_without_errors_and_warnings(path: Path) -> None:
    settings, problems = inspect_settings(path, {})
    assert problems == []
    assert settings is not None


def test_the_sample_is_the_paper_of_the_contract() -> None:
    settings, _ = inspect_settings(SAMPLE, {})
    assert settings is not None
    assert settings.site.title == "The Harbour Courier"
    assert set(settings.feed) == {"all", "port"}
    assert [frequency.value for frequency in settings.digest["morning"].frequencies] == [
        "daily",
        "weekly",
        "instant",
        "monthly",
    ]
    assert settings.bounce.return_path == "bounces@courier.example"


def test_the_sample_works_with_everything_switched_on(tmp_path: Path) -> None:
    """Every commented key, as it stands there, is one that the loader takes, but for those that are errors until they work."""
    known = {
        (section, key)
        for section, models in sections_of_models().items()
        for model in models
        for key, field in keys_of(model).items()
        if not readers_see(field)
    }
    lines = []
    # Of twins and alternatives only one may be given.
    left_out = {
        "database_file",
        "heartbeat_url_file",
        "url_file",
        "urls",
        "password_file",
        "secret_file",
        "query",
        "schedule",
        "markdown",
        "text",
        "tls_ca_file",
    }
    active = ""
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        head, key = _HEAD.match(line), _KEY.match(line)
        if head:
            active = ".".join(part for part in head.groups() if part)
            lines.append(line.removeprefix("# "))
        elif key and (active, key[2]) in known and key[2] not in left_out:
            lines.append(line.removeprefix("# "))
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    settings, problems = inspect_settings(path, {})
    assert settings is not None, [str(problem) for problem in problems if problem.severity == "error"]


def test_the_document_has_the_line_of_every_key() -> None:
    document = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for header, keys in sections():
        assert f"### `{header}`" in document
        for key in keys:
            assert key.row in document, f"run python -m syndicate.config.reference: {key.header} {key.name}"
    assert tables().strip() in document


def test_every_key_says_what_it_is_for() -> None:
    for key in all_keys():
        assert key.field.description, (key.header, key.name)


@pytest.mark.parametrize(
    ("value", "written"), [(True, "true"), ('a"b', '"a\\"b"'), (("a", "b"), '["a", "b"]'), ({}, "{}"), (5, "5")]
)
def test_defaults_are_written_as_toml(value: object, written: str) -> None:
    assert toml_value(value) == written
    assert tomllib.loads(f"v = {written}")["v"] == (list(value) if isinstance(value, tuple) else value)
