"""What a command prints: one JSON document, or text and tables for people; notes and progress go to stderr.

Knows nothing of commands or settings. Text from outside loses its control characters before it reaches a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from syndicate.core.documents import plain
from syndicate.core.render.graphemes import display_width

_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
# Direction overrides and isolates can make a line read as something else (Unicode TR 36, 3.2).
_CONTROL |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "")


class Output:
    """The two faces of a command: ``document`` for ``--json``, ``text`` and ``table`` for people.

    A command calls both; the one that is not wanted prints nothing.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def document(self, value: Any) -> None:
        """Print the one JSON document of ``--json``; without ``--json`` nothing."""
        if self.as_json:
            # Escaped where the stream could not carry a character: replaced ones would be wrong data.
            escaped = not (sys.stdout.encoding or "").lower().startswith("utf")
            print(json.dumps(value, indent=2, ensure_ascii=escaped, default=plain), flush=True)  # noqa: T201 - this is the printer

    def line(self, value: Any) -> None:
        """Print a JSON document on a line of its own, of several that follow each other; without ``--json`` nothing."""
        if self.as_json:
            print(json.dumps(value, default=plain), flush=True)  # noqa: T201 - this is the printer

    def text(self, line: str = "") -> None:
        """Print a line for people; with ``--json`` nothing."""
        if not self.as_json:
            print(safe(line), flush=True)  # noqa: T201 - this is the printer

    def note(self, line: str) -> None:
        """Say something beside the result, on stderr, in both modes."""
        print(safe(line), file=sys.stderr, flush=True)  # noqa: T201 - this is the printer

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", empty: str = "") -> None:
        """Print a table: drawn on a terminal, in plain aligned columns elsewhere; ``empty`` when there are no rows."""
        if self.as_json:
            return
        cells = [[safe(shown(cell)).replace("\n", " ") for cell in row] for row in rows]
        if not cells:
            if empty:
                self.text(empty)
            return
        if sys.stdout.isatty():
            _rich_table(columns, cells, title)
        else:
            _plain_table(columns, cells, title)

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Progress]:
        """A progress bar on stderr while the block runs, with rate and time left; only on a terminal.

        ``total`` None: a line that moves without an end, until ``expect`` says how many.
        """
        if not sys.stderr.isatty():
            yield Progress()
            return
        from syndicate.cli.bars import bar

        with bar(safe(label), total) as drawn:
            yield drawn


class Progress:
    """What a command tells of its progress: called with how many more are done. This one, off a terminal, is mute."""

    def __call__(self, count: int) -> None:
        """Count on."""

    def expect(self, total: int) -> None:
        """Say how many there will be in all."""


def shown(value: Any) -> str:
    """A value as people read it in a table: nothing for None, yes and no, local time to the second."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(shown(part) for part in value)
    return str(value)


def safe(text: str) -> str:
    """Text without the characters that could steer a terminal."""
    return text.translate(_CONTROL)


def _rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _plain_table(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str) -> None:
    widths = [max(map(display_width, column)) for column in zip(columns, *cells, strict=True)]
    lines = [title] if title else []
    lines.extend(
        "  ".join(cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ((columns, *cells) if any(columns) else cells)
    )
    print("\n".join(lines), flush=True)  # noqa: T201 - this is the printer


def counted(number: int, what: str) -> str:
    """A number with its word: "no errors", "1 error", "2 errors"."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
