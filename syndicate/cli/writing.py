"""Writing where an operator said: a path that cannot be written is their mistake, told in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syndicate.errors import UsageError

if TYPE_CHECKING:
    from syndicate.cli.context import Invocation


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes to ``path``. Raises UsageError with what the system said of it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be written: {error.strerror or error}") from error


def write_out(call: Invocation, content: bytes, target: Path | None, told: str, *, as_json: bool) -> None:
    """Write a document to a file, and tell so; or to standard output, unless that holds the JSON document.

    It goes out as it is: in UTF-8, or in what it declares, whatever the terminal's encoding is.
    """
    if target is not None:
        with writing(target):
            target.write_bytes(content)
        call.output.text(told)
    elif not as_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
