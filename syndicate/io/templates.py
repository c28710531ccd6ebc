"""Reads templates from folders: the shipped ones, and the publisher's own of the same names, which win."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from syndicate.core.render.words import beneath
from syndicate.errors import TemplateError

_SUFFIXES = {".html", ".txt", ".toml", ".css", ".js"}


def read_templates(folders: Iterable[Path]) -> dict[str, str]:
    """Names (``digest/digest.html``) to texts of all folders, later ones over earlier ones; a missing folder is empty.

    Words that are covered so stay under the name that ``beneath`` gives: they fill the gaps. Raises TemplateError for
    a file that is not UTF-8 or cannot be read.
    """
    found, errors = find_templates(folders)
    if errors:
        raise errors[0]
    return found


def find_templates(folders: Iterable[Path]) -> tuple[dict[str, str], list[TemplateError]]:
    """The same as far as it can be read, and what cannot."""
    found: dict[str, str] = {}
    errors: list[TemplateError] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _SUFFIXES or not path.is_file():
                continue
            name = path.relative_to(folder).as_posix()
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                errors.append(TemplateError(f"is not UTF-8 (byte {error.start}); save {path} as UTF-8", name=name))
            except OSError as error:
                errors.append(TemplateError(f"cannot be read: {error.strerror} ({path})", name=name))
            else:
                if name in found and (kept := beneath(name)):
                    found[kept] = found[name]
                found[name] = text
    return found, errors
