"""The keys of later versions that a configuration already sets. What is said of them: ``checks.py``, ``doubts.py``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from syndicate.config.keys import SECTIONS, keys_of, later_issue, readers_see
from syndicate.config.reading import Reading
from syndicate.config.wording import KeyPath


def later_keys(reading: Reading) -> Iterator[tuple[KeyPath, bool]]:
    """The place of every key without effect that is set, and whether readers would miss what it asks for."""
    for name, kind in SECTIONS.items():
        found = getattr(reading.settings, name)
        if kind.form == "one":
            entries: list[tuple[KeyPath, BaseModel]] = [((name,), found)]
        elif kind.form == "named":
            entries = [((name, entry), section) for entry, section in found.items()]
        else:
            entries = [((name, at), section) for at, section in enumerate(found)]
        for path, section in entries:
            for key, field in keys_of(type(section)).items():
                if later_issue(field) and key in section.model_fields_set:
                    # Nothing, zero and an empty list ask for nothing.
                    yield (*path, key), readers_see(field) and bool(getattr(section, key))
