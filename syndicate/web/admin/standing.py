"""How things stand: overview, sources and feeds, settings in force, the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from syndicate.model import Role
from syndicate.service.alarms import find_alarms
from syndicate.service.status import pace_now
from syndicate.store.issues import LIVE_STATES, list_issues
from syndicate.store.operators import audit_log
from syndicate.store.overview import due_times, feed_statuses, source_statuses
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE = 50
_SECRET = ("password", "secret", "token", "dsn", "database", "key", "url_file")


class StandingPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """Only GETs."""
        return [
            Place("", "GET", Role.VIEWER, self.overview),
            Place("/sources", "GET", Role.VIEWER, self.sources),
            Place("/settings", "GET", Role.OWNER, self.settings),
            Place("/audit", "GET", Role.OWNER, self.audit),
        ]

    def overview(self, call: Call) -> Response:
        """Problems first; then what runs, and what comes next."""
        services, now = self._services, self._services.clock()
        with services.database.read() as session:
            alarms = find_alarms(session, services.settings, now)
            live = list_issues(session, states=LIVE_STATES, limit=20)
            paces = {issue.id: pace_now(session, issue, now) for issue in live}
            runs = {
                name.removeprefix("digest/"): at for name, at in due_times(session).items() if name[:7] == "digest/"
            }
            latest = list_issues(session, limit=5)
        return self._guard.page(
            call, "overview", alarms=alarms, live=live, paces=paces, runs=runs, latest=latest, now=now
        )

    def sources(self, call: Call) -> Response:
        """Sources with their last polls, feeds with their last builds, digests with their next runs."""
        with self._services.database.read() as session:
            sources, feeds, due = source_statuses(session), feed_statuses(session), due_times(session)
        digests = [
            (
                name,
                self._services.settings.digest_title(name),
                min((at for key, at in due.items() if key.startswith(f"digest/{name}/")), default=None),
            )
            for name in self._services.settings.digest
        ]
        return self._guard.page(call, "sources", sources=sources, feeds=feeds, digests=digests)

    def settings(self, call: Call) -> Response:
        """The settings in force; secrets are said to be set, and not shown."""
        document = self._services.settings.model_dump(mode="json", by_alias=True)
        rows = [(section, sorted(_flat(values))) for section, values in document.items() if values]
        return self._guard.page(call, "settings", sections=rows)

    def audit(self, call: Call) -> Response:
        """Who did what and when."""
        before = call.text("before")
        with self._services.database.read() as session:
            found = audit_log(session, limit=_PAGE + 1, before=int(before) if before.isdecimal() else None)
        older = found[_PAGE - 1].id if len(found) > _PAGE else None
        return self._guard.page(call, "audit", entries=found[:_PAGE], older=older)


def _flat(values: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(values, dict):
        return [row for key, value in values.items() for row in _flat(value, f"{path}.{key}" if path else str(key))]
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return [row for place, value in enumerate(values, 1) for row in _flat(value, f"{path}[{place}]")]
    if values is None or values in ("", [], {}):
        return [(path, "not set")]
    last = path.rpartition(".")[2].lower()
    text = str(values)
    # Addresses may hold a password (RFC 3986 3.2.1).
    if any(word in last for word in _SECRET) or ("://" in text and "@" in text):
        return [(path, "set, not shown here")]
    return [(path, ", ".join(map(str, values)) if isinstance(values, list) else str(values))]
