"""Writing where an operator said: a path that cannot be written is their mistake, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syndicate.errors import UsageError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes to ``path``. Raises UsageError with what the system said of it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be written: {error.strerror or error}") from error
