"""What a check found: about which thing, how bad it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Group(StrEnum):
    """What can be looked at by itself (``--only``), in the order of the report."""

    DATABASE = "database"
    SOURCES = "sources"
    TEMPLATES = "templates"
    RELAY = "relay"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"
    PTR = "ptr"
    MAILBOX = "mailbox"
    PUBLIC = "public"
    CLOCK = "clock"
    FILES = "files"


#: Names for several groups together.
TOGETHER = {"dns": (Group.SPF, Group.DKIM, Group.DMARC, Group.MX, Group.PTR)}


class Verdict(StrEnum):
    """How a thing stands. ``UNASKED``: nobody answered, which says nothing about the thing itself."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing and how it stands. ``code`` is fixed and names the rule; ``todo`` says how to mend it, if one can."""

    group: Group
    verdict: Verdict
    code: str
    thing: str
    message: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Makes the findings of one group about one thing."""

    group: Group
    thing: str

    def good(self, code: str, message: str) -> Finding:
        """It is as it should be."""
        return Finding(self.group, Verdict.GOOD, code, self.thing, message)

    def note(self, code: str, message: str, todo: str = "") -> Finding:
        """Good to know; nothing is wrong."""
        return Finding(self.group, Verdict.NOTE, code, self.thing, message, todo)

    def warning(self, code: str, message: str, todo: str = "") -> Finding:
        """It works, and could be better or will break."""
        return Finding(self.group, Verdict.WARNING, code, self.thing, message, todo)

    def error(self, code: str, message: str, todo: str = "") -> Finding:
        """It must be mended."""
        return Finding(self.group, Verdict.ERROR, code, self.thing, message, todo)

    def unasked(self, code: str, message: str, todo: str = "") -> Finding:
        """Nobody answered."""
        return Finding(self.group, Verdict.UNASKED, code, self.thing, message, todo)


def counts(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """How many there are of each verdict, also of those that did not come up."""
    found = dict.fromkeys(Verdict, 0)
    for finding in findings:
        found[finding.verdict] += 1
    return found


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """The report as plain values: ``ok`` (nothing must be mended), ``complete`` (everything could be asked)."""
    found = counts(findings)
    return {
        "ok": not found[Verdict.ERROR],
        "complete": not found[Verdict.UNASKED],
        "counts": {str(verdict): count for verdict, count in found.items()},
        "findings": [
            {
                "group": finding.group,
                "code": finding.code,
                "verdict": finding.verdict,
                "thing": finding.thing,
                "message": finding.message,
                "todo": finding.todo or None,
            }
            for finding in findings
        ],
    }
