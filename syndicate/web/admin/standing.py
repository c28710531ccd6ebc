"""How things stand: the overview; and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from syndicate.model import Role
from syndicate.service.figures import Figures
from syndicate.store.issues import LIVE_STATES, list_issues
from syndicate.store.operators import audit_log
from syndicate.store.overview import due_times
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50


class StandingPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard, figures: Figures) -> None:
        self._services = services
        self._guard = guard
        self._figures = figures

    def places(self) -> list[Place]:
        """Only GETs."""
        return [
            Place("", "GET", Role.VIEWER, self.overview),
            Place("/audit", "GET", Role.OWNER, self.audit),
        ]

    def overview(self, call: Call) -> Response:
        """Problems first; then what runs, and what comes next."""
        services, now = self._services, self._services.clock()
        alarms = self._figures.alarms.get(None)
        with services.database.read() as session:
            live = list_issues(session, states=LIVE_STATES, limit=20, counting=self._figures.counting)
            runs = {
                name.removeprefix("digest/"): at for name, at in due_times(session).items() if name[:7] == "digest/"
            }
            latest = list_issues(session, limit=5, counting=self._figures.counting)
        paces = {issue.id: self._figures.issues.get(issue.id).pace for issue in live}
        return self._guard.page(
            call, "overview", alarms=alarms, live=live, paces=paces, runs=runs, latest=latest, now=now
        )

    def audit(self, call: Call) -> Response:
        """Who did what and when."""
        with self._services.database.read() as session:
            found = audit_log(session, limit=_PAGE + 1, before=call.cursor("before"))
        older = found[_PAGE - 1].id if len(found) > _PAGE else None
        return self._guard.page(call, "audit", entries=found[:_PAGE], older=older)
