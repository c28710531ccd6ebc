"""Suppressions in the console: the list, one entry with its evidence, to add and to take off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response

from syndicate.core.addresses import parse_address
from syndicate.errors import UnknownNameError
from syndicate.model import Role
from syndicate.pipeline.members.suppressing import find_entry, release, release_entry, suppress
from syndicate.store.console import person_of_hash, returned_for
from syndicate.store.suppressions import entry_by_id, suppressions
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50
_NOTE: Final = 200


class SuppressionPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """For editors."""
        return [
            Place("/suppressions", "GET", Role.EDITOR, self.suppressions),
            Place("/suppressions", "POST", Role.EDITOR, self.suppress),
            Place("/suppressions/{number}", "GET", Role.EDITOR, self.entry),
            Place("/suppressions/{number}/release", "POST", Role.EDITOR, self.release),
        ]

    def suppressions(self, call: Call) -> Response:
        """The list, newest first; addresses stand there as hashes only. One that is looked up is found by its hash."""
        asked = call.text("q")
        if asked:
            entry = find_entry(self._services.database, self._services.keyring, asked)
            return RedirectResponse(f"{self._guard.frame.base}/suppressions/{entry.id}", status_code=303)
        with self._services.database.read() as session:
            found = suppressions(session, limit=_PAGE + 1, before=call.cursor("after"))
        older = found[_PAGE - 1].id if len(found) > _PAGE else None
        return self._guard.page(call, "suppressions", entries=found[:_PAGE], older=older)

    def entry(self, call: Call) -> Response:
        """One entry, and the evidence for it: what came back from the address."""
        with self._services.database.read() as session:
            found = entry_by_id(session, call.number)
            if found is None:
                raise UnknownNameError(f"there is no suppression {call.number}")
            person = person_of_hash(session, found.value) if found.scope == "address" else None
            returned = [] if person is None else returned_for(session, person.id)
        return self._guard.page(call, "suppression", entry=found, person=person, returned=returned)

    def release(self, call: Call) -> Response:
        """Take one entry off the list; what came back counts no more."""
        number = call.number
        release_entry(self._guard.audited(call, "suppression removed", f"suppression {number}"), number)
        return self._guard.back("/suppressions")

    def suppress(self, call: Call) -> Response:
        """Put an address or a domain on the list, or take it off."""
        services, what, remove = self._services, call.text("what"), call.text("verb") == "remove"
        about = "an address" if "@" in what else parse_address(f"postmaster@{what}").domain
        database = self._guard.audited(call, f"suppression {'removed' if remove else 'added'}", about)
        if remove:
            changed = release(database, services.keyring, what) is not None
        else:
            note = call.text("note")[:_NOTE]
            changed = suppress(database, services.keyring, what, note=note, now=services.clock())
        return self._guard.back("/suppressions", "done" if changed else "none")
