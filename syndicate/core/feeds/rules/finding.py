"""What the rules find in a feed, and where; the list they collect it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

# A feed of ten thousand entries with one fault in each is one fault: enough are named to see that.
MOST_OF_A_KIND = 20


class Severity(StrEnum):
    """An error breaks a standard or harms readers: such a feed is not published. A warning is a SHOULD not kept."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault. ``rule`` is F1 to F27 (docs/feeds.md) or the standard; ``where`` the entry's id, its place, or ''."""

    rule: str
    severity: Severity
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.severity} {self.rule}: {place}{self.message}"


@dataclass(slots=True)
class Findings:
    """Collects findings; of the same rule with the same message only the first twenty."""

    found: list[Finding] = field(default_factory=list)
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def error(self, rule: str, where: str, message: str) -> None:
        self._add(rule, Severity.ERROR, where, message)

    def warning(self, rule: str, where: str, message: str) -> None:
        self._add(rule, Severity.WARNING, where, message)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    def _add(self, rule: str, severity: Severity, where: str, message: str) -> None:
        count = self._counts[rule, message] = self._counts.get((rule, message), 0) + 1
        if count <= MOST_OF_A_KIND:
            self.found.append(Finding(rule=rule, severity=severity, where=where[:200], message=message))
