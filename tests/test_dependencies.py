"""pyproject.toml, constraints.txt and docs/dependencies.md tell the same story, and so do the imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
# Packages that a declared one is made of and shows in its own interface: they cannot go missing without it.
PART_OF = {
    "annotated_types": "pydantic",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "yaml": "python-frontmatter",
}
DIRECT = RUNTIME + [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def importers(module: str) -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "syndicate").rglob("*.py") if module in imported(path)
    )


def test_constraints_are_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line), line


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_and_explained(requirement: Requirement) -> None:
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    version = pinned.get(canonicalize_name(requirement.name))
    assert version, f"{requirement.name} has no pin in constraints.txt"
    assert requirement.specifier.contains(Version(version))
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {re.escape(requirement.name)} \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert row, f"{requirement.name} has no line in docs/dependencies.md"


def test_the_page_names_nothing_that_is_gone() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| ([a-z0-9-]+) \| ", page, re.MULTILINE)) - {"package"}
    assert named == {requirement.name for requirement in DIRECT}


def test_everything_that_is_installed_for_us_is_pinned() -> None:
    pinned = {canonicalize_name(name) for name in pins()}
    todo = [(requirement.name, requirement.extras) for requirement in DIRECT]
    seen: set[str] = set()
    while todo:
        name, extras = todo.pop()
        assert canonicalize_name(name) in pinned, f"{name} is installed and has no pin in constraints.txt"
        if f"{name}{sorted(extras)}" in seen:
            continue
        seen.add(f"{name}{sorted(extras)}")
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                todo.append((needed.name, needed.extras))


def test_what_is_imported_is_declared() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    owners = packages_distributions()
    found: dict[str, str] = {}
    for path in (ROOT / "syndicate").rglob("*.py"):
        for name in imported(path) - set(sys.stdlib_module_names) - {"syndicate"}:
            if (
                not {canonicalize_name(owner) for owner in [PART_OF.get(name), *owners.get(name, [])] if owner}
                & declared
            ):
                found[name] = path.relative_to(ROOT).as_posix()
    assert found == {}


@pytest.mark.parametrize(
    ("module", "folder"), [("feedgen", "syndicate/core/feeds/"), ("premailer", "syndicate/core/render/")]
)
def test_libraries_with_side_effects_are_fenced_in_one_module(module: str, folder: str) -> None:
    found = importers(module)
    assert len(found) == 1, found
    assert found[0].startswith(folder)


def test_core_asks_no_clock() -> None:
    calls = re.compile(r"\b(datetime|date|time)\.(now|utcnow|today|localtime|gmtime|monotonic|perf_counter|time)\(")
    found = [
        f"{path.name}:{number}"
        for path in (ROOT / "syndicate" / "core").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if calls.search(line.partition("#")[0])
    ]
    assert found == []
