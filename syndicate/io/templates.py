"""Reads templates from folders: the shipped ones, and the publisher's own of the same names, which win."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from syndicate.errors import TemplateError

_SUFFIXES = {".html", ".txt", ".toml", ".css"}


def read_templates(folders: Iterable[Path]) -> dict[str, str]:
    """Names (``digest/digest.html``) to texts of all folders, later ones over earlier ones; a missing folder is empty.

    Raises TemplateError for a file that is not UTF-8 or cannot be read.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _SUFFIXES or not path.is_file():
                continue
            name = path.relative_to(folder).as_posix()
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise TemplateError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8", name=name) from error
            except OSError as error:
                raise TemplateError(f"{path} cannot be read: {error.strerror}", name=name) from error
    return found
