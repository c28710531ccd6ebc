"""Small configurations to break."""

from __future__ import annotations

from pathlib import Path

import pytest
from configurations import GOOD, Inspect

from syndicate.config.load import inspect_settings
from syndicate.config.settings import Settings
from syndicate.errors import Problem


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """`inspect(text, {"SYNDICATE_…": "…"})`: what the loader makes of a file with that text."""
    (tmp_path / "articles").mkdir()

    def call(text: str, environ: dict[str, str] | None = None) -> tuple[Settings | None, list[Problem]]:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o640)
        return inspect_settings(path, environ or {})

    return call


@pytest.fixture
def good() -> str:
    """A configuration without errors and warnings."""
    return GOOD
