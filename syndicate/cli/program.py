"""How this program can be called again, as one can type it: for the hints that commands give."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def program(folder: Path = Path()) -> str:
    """The name alone when the shell finds it, else its path as seen from ``folder``."""
    called = sys.argv[0] or "syndicate"
    if Path(called).name == "__main__.py":
        return f"{_typed(sys.executable, folder)} -m syndicate"
    return _typed(called, folder)


def _typed(file: str, folder: Path) -> str:
    name = Path(file).name
    if os.sep not in file:
        return name
    place = os.path.abspath(file)  # noqa: PTH100 - links stay: a virtual environment's python is one
    found = shutil.which(name)
    if found and os.path.abspath(found) == place:  # noqa: PTH100 - likewise
        return name
    seen = os.path.relpath(place, folder)
    return shlex.quote(min(seen if os.sep in seen else f".{os.sep}{seen}", place, key=len))
