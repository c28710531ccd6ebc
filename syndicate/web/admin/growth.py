"""Charts of the console: how the readership grew, and what became of the last issues. Drawn here as SVG, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from syndicate.model import Issue, IssueState, Role
from syndicate.service.figures import Figures
from syndicate.store.growth import Day
from syndicate.store.issues import list_issues
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_ISSUES: Final = 20
_WIDTH, _HEIGHT = 900, 200
#: What becomes of a delivery, in the order of the bars; the rest is still open.
_PARTS: Final = ("accepted", "rejected", "in_doubt", "suppressed", "cancelled", "deferred", "open")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a chart."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthChart:
    """The line of all readers between ``least`` and ``most``; below it who joined (up) and left (down) each day."""

    line: str
    area: str
    least: int
    most: int
    bars: Sequence[Bar]
    busiest: int
    days: Sequence[Day]


class GrowthPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard, figures: Figures) -> None:
        self._services = services
        self._guard = guard
        self._figures = figures

    def places(self) -> list[Place]:
        """Numbers only: for all."""
        return [Place("/growth", "GET", Role.VIEWER, self.growth)]

    def growth(self, call: Call) -> Response:
        """Both charts, of one digest or all."""
        digest = call.text("digest")
        if digest:
            self._services.settings.named_digest(digest)
        days = self._figures.growth.get(digest or None)
        ended = [state for state in IssueState if state not in {IssueState.SKIPPED, IssueState.DRAFT}]
        with self._services.database.read() as session:
            issues = list_issues(
                session,
                digest=digest or None,
                states=ended,
                limit=_ISSUES,
                counting=self._figures.counting,
            )
        return self._guard.page(
            call,
            "growth",
            digest=digest,
            digests=list(self._services.settings.digest),
            chart=growth_chart(days),
            outcomes=[(issue, outcome_bars(issue)) for issue in issues],
            parts=_PARTS,
        )


def growth_chart(days: Sequence[Day]) -> GrowthChart:
    """Where everything stands in a picture of 900 x 200, and one of 900 x 100 below it."""
    least, most = min(day.total for day in days), max(day.total for day in days)
    span = max(most - least, 1)
    step = _WIDTH / max(len(days) - 1, 1)
    points = [(n * step, _HEIGHT - (day.total - least) / span * (_HEIGHT - 10) - 5) for n, day in enumerate(days)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    busiest = max(1, *(max(day.joined, day.left) for day in days))
    slot, bars = _WIDTH / len(days), []
    for n, day in enumerate(days):
        up, down = 50 * day.joined / busiest, 50 * day.left / busiest
        bars += [Bar("joined", n * slot + 1, 50 - up, slot - 2, up), Bar("left", n * slot + 1, 50, slot - 2, down)]
    return GrowthChart(
        line=line,
        area=f"0,{_HEIGHT} {line} {_WIDTH},{_HEIGHT}",
        least=least,
        most=most,
        bars=[bar for bar in bars if bar.height],
        busiest=busiest,
        days=days,
    )


def outcome_bars(issue: Issue) -> list[Bar]:
    """One bar of 100 x 10 in parts, as large as the parts of its recipients."""
    counts = issue.counts.as_dict()
    counts["open"] = counts["queued"] + counts["sending"]
    whole, x, bars = max(issue.recipients, 1), 0.0, []
    for part in _PARTS:
        width = 100 * counts[part] / whole
        if width:
            bars.append(Bar(part, round(x, 3), 0, round(width, 3), 10))
        x += width
    return bars
