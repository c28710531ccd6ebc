"""Suppressions: addresses and domains never to be written to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from syndicate.pipeline.members import suppressing
from syndicate.service.wiring import Services
from syndicate.store.suppressions import Suppression, suppressions
from syndicate.web.api.member_models import NewSuppression, Released, SuppressionOut, Suppressions
from syndicate.web.api.operations import Cursor, Limit, answer, operation, page, read_cursor, write_cursor

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The entry's number.")]


class SuppressionOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        read, write, path = ["suppressions:read"], ["suppressions:write"], "/suppressions"
        operation(router, "GET", path, self.list_suppressions, scopes=read, model=Suppressions)
        operation(router, "POST", path, self.suppress, scopes=write, model=SuppressionOut, status=201, also=[200])
        lookup = f"{path}/lookup"
        operation(router, "POST", lookup, self.look_up_suppression, scopes=read, model=SuppressionOut, problems=[404])
        operation(router, "DELETE", f"{path}/{{number}}", self.release, scopes=write, model=Released, problems=[404])

    def list_suppressions(self, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List suppressions. The newest comes first; addresses stand there as keyed hashes."""
        before = read_cursor(cursor, int)
        with self._services.database.read() as session:
            found = suppressions(session, limit=limit, before=before[0] if before else None)
        return page("suppressions", [_document(one) for one in found], limit, lambda: write_cursor(found[-1].id))

    def suppress(self, body: NewSuppression) -> Response:
        """Never write to an address or a domain again. What is queued for it does not leave any more."""
        services = self._services
        what, now = body.entry, services.clock()
        new = suppressing.suppress(services.database, services.keyring, what, note=body.note, now=now)
        found = suppressing.find_entry(services.database, services.keyring, what)
        return answer(_document(found), 201 if new else 200)

    def look_up_suppression(self, body: NewSuppression) -> Response:
        """Find the entry of an address or a domain. `note` has no meaning here."""
        services = self._services
        return answer(_document(suppressing.find_entry(services.database, services.keyring, body.entry)))

    def release(self, number: Number) -> Response:
        """Take an entry off the list. What came back from it before counts no more."""
        return answer({"removed": True, "absolved": suppressing.release_entry(self._services.database, number)})


def _document(entry: Suppression) -> dict[str, Any]:
    return {
        "id": entry.id,
        "scope": entry.scope,
        "value": entry.value,
        "reason": entry.reason,
        "note": entry.note,
        "created_at": entry.created_at,
    }
