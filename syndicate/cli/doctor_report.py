"""The report of ``doctor`` for people: by groups, what is wrong at which thing, and what to do.

On a terminal with colours and wrapped to its width; elsewhere one line for what was found and one for what to do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from syndicate.cli.output import Output, counted, safe
from syndicate.core.doctor.finding import Finding, Group, Verdict, counts

_TITLES = {
    Group.DATABASE: "Database",
    Group.SOURCES: "Sources of articles",
    Group.TEMPLATES: "Templates",
    Group.RELAY: "Mail servers (relays)",
    Group.SPF: "SPF: who may send for us",
    Group.DKIM: "DKIM: our signatures",
    Group.DMARC: "DMARC: what becomes of mail that fails",
    Group.MX: "MX: mail to us",
    Group.PTR: "PTR and EHLO: the names of our addresses",
    Group.MAILBOX: "Mailboxes of what comes back",
    Group.PUBLIC: "Public address",
    Group.CLOCK: "Clock",
    Group.FILES: "Files",
}
_MARKS = {Verdict.GOOD: "✓", Verdict.NOTE: "·", Verdict.WARNING: "!", Verdict.ERROR: "✗", Verdict.UNASKED: "?"}
_PLAIN_MARKS = {Verdict.GOOD: "+", Verdict.NOTE: "-", Verdict.WARNING: "!", Verdict.ERROR: "x", Verdict.UNASKED: "?"}
_STYLES = {
    Verdict.GOOD: "green",
    Verdict.NOTE: "dim",
    Verdict.WARNING: "yellow",
    Verdict.ERROR: "bold red",
    Verdict.UNASKED: "magenta",
}
_WIDEST = 110  # longer lines are hard to read


def print_report(findings: Sequence[Finding], output: Output) -> None:
    """Print the findings, which are in the order of their groups, and what they come to."""
    if sys.stdout.isatty():
        _draw(findings)
    else:
        for line in _lines(findings):
            output.text(line)
    output.text()
    output.text(summary(findings))


def summary(findings: Sequence[Finding]) -> str:
    """What it all comes to, in a sentence."""
    found = counts(findings)
    errors, warnings, unasked = found[Verdict.ERROR], found[Verdict.WARNING], found[Verdict.UNASKED]
    # By their names for --only.
    groups = dict.fromkeys(str(finding.group) for finding in findings if finding.verdict is Verdict.ERROR)
    parts = [
        f"{counted(errors, 'thing')} must be mended ({', '.join(groups)})" if errors else "Nothing must be mended",
        *([counted(warnings, "warning")] if warnings else []),
        *([f"{counted(unasked, 'question')} went unanswered (try again)"] if unasked else []),
    ]
    return f"{', '.join(parts)}."


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    marks = _marks()
    arrow = "→" if marks is _MARKS else "->"
    for number, (group, members) in enumerate(groupby(findings, key=lambda finding: finding.group)):
        if number:
            yield ""
        yield _TITLES[group]
        for finding in members:
            yield f"  {marks[finding.verdict]} {finding.thing}: {finding.message}"
            if finding.todo:
                yield f"    {arrow} {finding.todo}"


def _draw(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    marks = _marks()
    for number, (group, members) in enumerate(groupby(findings, key=lambda finding: finding.group)):
        if number:
            console.print()
        console.print(Text(_TITLES[group], style="bold"))
        table = Table.grid(padding=(0, 1))
        table.add_column(width=3, justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for finding in members:
            style = _STYLES[finding.verdict]
            told = Text.assemble((safe(f"{finding.thing}: "), "bold"), safe(finding.message))
            table.add_row(Text(marks[finding.verdict], style=style), told)
            if finding.todo:
                table.add_row("", Text.assemble(("→ " if marks is _MARKS else "-> ", style), safe(finding.todo)))
        console.print(table, width=min(console.width, _WIDEST))


def _marks() -> dict[Verdict, str]:
    """Marks that the terminal can show."""
    try:
        "✓·✗→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_MARKS
    return _MARKS
