"""How things stand: feeds, and the status of everything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from syndicate.core.documents import issue_document
from syndicate.model import FeedFormat
from syndicate.service.status import read_status
from syndicate.service.wiring import Services
from syndicate.store.feeds import living_feeds
from syndicate.store.outbox import backlogs
from syndicate.web.api.operations import Cursor, Limit, answer, operation, page, read_cursor, write_cursor
from syndicate.web.api.standing_models import Feeds, StatusOut


class StandingOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        operation(router, "GET", "/feeds", self.list_feeds, scopes=["status:read"], model=Feeds)
        operation(router, "GET", "/status", self.show_status, scopes=["status:read"], model=StatusOut)

    def list_feeds(self, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List feeds. By name, with the addresses of their documents."""
        after = read_cursor(cursor, str)
        with self._services.database.read() as session:
            living = sorted((row for row in living_feeds(session) if row.revision >= 0), key=lambda row: row.name)
        found = [row for row in living if after is None or row.name > after[0]][:limit]
        documents = [
            {
                "feed": row.name,
                "entries": row.entries,
                "built_at": row.built_at,
                "error": row.error,
                "documents": self._addresses(row.base, row.name),
            }
            for row in found
        ]
        return page("feeds", documents, limit, lambda: write_cursor(found[-1].name))

    def show_status(self) -> Response:
        """Show how everything stands. `alarms` is empty when all is well."""
        found = read_status(self._services)
        with self._services.database.read() as session:
            hooks = backlogs(session)
        return answer(
            {
                "now": found.now,
                "sources": [asdict(source) for source in found.sources],
                "next_runs": found.next_runs,
                "not_composed": {name: asdict(failure) for name, failure in found.not_composed.items()},
                "running": [issue_document(issue) for issue in found.running],
                "last_skipped": [issue_document(issue) for issue in found.last_skipped],
                "subscriptions": found.subscriptions,
                "in_doubt": {str(issue): count for issue, count in found.in_doubt.items()},
                "webhooks": [asdict(each) for each in hooks],
                "alarms": found.alarms,
            }
        )

    def _addresses(self, base: str, name: str) -> dict[str, Any]:
        settings = self._services.settings
        formats = settings.feed[base].formats if base in settings.feed else tuple(FeedFormat)
        root = f"{settings.service.public_url}/feeds/{name}"
        return {form.value: f"{root}/{form.file_name}" for form in formats}
