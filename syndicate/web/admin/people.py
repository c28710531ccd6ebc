"""Subscribers in the console: search by address or name, one person's whole history, unsubscribe, export, erase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from syndicate.errors import UnknownNameError
from syndicate.model import Role, Subscriber
from syndicate.pipeline.members.describing import person_document
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.pipeline.why import why
from syndicate.store import subscribers
from syndicate.store.console import people_like, people_named, returned_for
from syndicate.web.admin.guard import Call, Guard, Place, as_number

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50


class PeoplePlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """Addresses are for editors; what removes or takes away a person's data is the owner's."""
        one = "/subscribers/{number}"
        return [
            Place("/subscribers", "GET", Role.EDITOR, self.people),
            Place(one, "GET", Role.EDITOR, self.person),
            Place(f"{one}/export", "POST", Role.OWNER, self.export),
            Place(f"{one}/unsubscribe", "POST", Role.EDITOR, self.unsubscribe),
            Place(f"{one}/erase", "POST", Role.OWNER, self.erase),
        ]

    def people(self, call: Call) -> Response:
        """Those whose address or name begins with what was typed; without it the newest."""
        start, after, by = call.text("q"), call.text("after"), "name" if call.text("by") == "name" else "address"
        with self._services.database.read() as session:
            if start and by == "name":
                number, _, key = after.partition(" ")
                place = as_number(number)
                named = people_named(session, start, limit=_PAGE + 1, after=None if place is None else (key, place))
                found = [person for person, _ in named]
            elif start:
                found = people_like(session, start.lower(), limit=_PAGE + 1, after=after)
            else:
                found = subscribers.list_subscribers(session, limit=_PAGE + 1, before=as_number(after))
            shown = found[:_PAGE]
            chosen = subscribers.subscriptions_of(session, [each.id for each in shown])
        older = ""
        if len(found) > _PAGE:
            last = shown[-1]
            older = last.email_key if start else str(last.id)
            if start and by == "name":
                older = f"{last.id} {named[_PAGE - 1][1]}"
        return self._guard.page(
            call,
            "people",
            people=shown,
            chosen=chosen,
            q=start,
            by=by,
            older=older,
            digests=list(self._services.settings.digest),
        )

    def person(self, call: Call) -> Response:
        """All that is stored of one person, and what became of each issue for them."""
        return self._person(call)

    def _person(self, call: Call, *, problem: str = "", status: int = 200) -> Response:
        services, person = self._services, self._found(call)
        story = why(services.database, services.settings, services.keyring, person.email)
        document = person_document(services.database, services.keyring, person.email)
        with services.database.read() as session:
            returned = returned_for(session, person.id)
        return self._guard.page(
            call,
            "person",
            person=person,
            document=document,
            story=story,
            returned=returned,
            problem=problem,
            status=status,
        )

    def export(self, call: Call) -> Response:
        """The same as JSON, for the person."""
        person = self._found(call)
        document = person_document(self._services.database, self._services.keyring, person.email)
        self._guard.log(call, "subscriber exported", f"subscriber {person.id}")
        headers = {
            "content-disposition": f'attachment; filename="subscriber-{person.id}.json"',
            "cache-control": "no-store",
        }
        text = json.dumps(document, default=_plain, indent=2, ensure_ascii=False)
        return Response(text, media_type="application/json", headers=headers)

    def unsubscribe(self, call: Call) -> Response:
        """End a person's subscriptions, all or one."""
        person, digest = self._found(call), call.text("digest")
        database = self._guard.audited(call, "subscriber unsubscribed", f"subscriber {person.id}")
        done = unsubscribe_address(
            database,
            person.email,
            now=self._services.clock(),
            digests=[digest] if digest else None,
            via="console",
        )
        note = "done" if any(each.changed for each in done) else "none"
        return self._guard.back(f"/subscribers/{person.id}", note)

    def erase(self, call: Call) -> Response:
        """Remove all that names a person; the address has to be typed once more."""
        person = self._found(call)
        if call.text("confirm").lower() != person.email.lower():
            return self._person(call, problem="Nothing was erased: type the address to confirm.", status=400)
        services = self._services
        block = bool(call.text("block"))
        database = self._guard.audited(call, "subscriber erased", f"subscriber {person.id}")
        erase(database, services.keyring, person.email, now=services.clock(), block=block)
        return self._guard.back("/subscribers")

    def _found(self, call: Call) -> Subscriber:
        with self._services.database.read() as session:
            found = subscribers.subscriber_by_id(session, call.number)
        if found is None:
            raise UnknownNameError(f"there is no subscriber {call.number}")
        return found


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
