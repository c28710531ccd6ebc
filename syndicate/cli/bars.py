"""Progress bars on a terminal: how many of how many, how fast, how long still. Imports rich, so it is imported late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from syndicate.cli.output import Progress


class RateColumn(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f}/s" if speed >= 10 else f"{speed:.1f}/s")  # noqa: PLR2004 - digits


class _Bar(Progress):
    def __init__(self, drawn: RichProgress, task: TaskID) -> None:
        self._drawn = drawn
        self._task = task

    def __call__(self, count: int) -> None:
        self._drawn.advance(self._task, count)

    def expect(self, total: int) -> None:
        self._drawn.update(self._task, total=total)


@contextmanager
def bar(label: str, total: int | None, console: Console | None = None) -> Iterator[Progress]:
    """A bar while the block runs, gone at its end."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console or Console(stderr=True), transient=True) as drawn:
        yield _Bar(drawn, drawn.add_task(label, total=total))
