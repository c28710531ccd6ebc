"""Watching an issue until it is over or somebody paused it: a bar on a terminal, lines or JSON lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from syndicate.cli.documents import issue_document, issue_line, pace_line
from syndicate.model import IssueState

if TYPE_CHECKING:
    from syndicate.cli.output import Output, Progress
    from syndicate.core.pace import Pace
    from syndicate.model import Issue
    from syndicate.service.wiring import Services

LOOK_EVERY = 1.0
_GOES_ON = {IssueState.DRAFT, IssueState.SCHEDULED, IssueState.RUNNING}


def watch(services: Services, output: Output, issue_id: int, stop: threading.Event) -> None:
    """Show how an issue gets on until it is finished, paused or cancelled, or ``stop`` is set. Only reads.

    Raises UnknownNameError.
    """
    # A bar is drawn on stderr; where nobody sees it, each change is a line on standard output.
    if sys.stderr.isatty() and not output.as_json:
        with output.progress(f"issue {issue_id}") as progress:
            _draw(progress, looks(services, issue_id, stop))
        return
    from syndicate.service.status import pace_document

    before: Any = None
    for issue, pace in looks(services, issue_id, stop):
        if issue.state not in _GOES_ON:
            return  # the caller shows how it ended
        if (issue.state, issue.counts) == before:
            continue
        before = (issue.state, issue.counts)
        output.line(issue_document(issue) | {"rate": pace and pace_document(pace)})
        output.text(issue_line(issue))
        if pace is not None:
            output.text(pace_line(pace))


def looks(services: Services, issue_id: int, stop: threading.Event) -> Iterator[tuple[Issue, Pace | None]]:
    """How the issue stands, once a second, the last time when it does not go on any more."""
    from syndicate.service.status import pace_now
    from syndicate.store.issues import get_issue

    while True:
        with services.database.read() as session:
            issue = get_issue(session, issue_id)
            pace = pace_now(session, issue, services.clock())
        yield issue, pace
        if issue.state not in _GOES_ON or stop.wait(LOOK_EVERY):
            return


def _draw(progress: Progress, found: Iterator[tuple[Issue, Pace | None]]) -> None:
    shown = 0
    for issue, _ in found:
        counts = issue.counts
        done = issue.recipients - counts.queued - counts.sending - counts.deferred
        progress.expect(issue.recipients)
        progress(done - shown)
        shown = done
