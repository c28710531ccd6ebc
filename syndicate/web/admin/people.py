"""Subscribers and suppressions in the console: search, one person's whole history, unsubscribe, export, erase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from syndicate.core.addresses import parse_address
from syndicate.errors import UnknownNameError
from syndicate.model import Role, Subscriber
from syndicate.pipeline.members.describing import person_document
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.members.suppressing import release, suppress
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.pipeline.why import why
from syndicate.store import subscribers
from syndicate.store.console import people_like
from syndicate.store.suppressions import suppressions
from syndicate.web.admin.guard import Call, Guard, Place

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
            Place("/suppressions", "GET", Role.EDITOR, self.suppressions),
            Place("/suppressions", "POST", Role.EDITOR, self.suppress),
        ]

    def people(self, call: Call) -> Response:
        """Those whose address begins with what was typed; without it the newest."""
        start, after = call.text("q").lower(), call.text("after")
        with self._services.database.read() as session:
            if start:
                found = people_like(session, start, limit=_PAGE + 1, after=after)
            else:
                before = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else None  # noqa: PLR2004
                found = subscribers.list_subscribers(session, limit=_PAGE + 1, before=before)
            shown = found[:_PAGE]
            chosen = subscribers.subscriptions_of(session, [each.id for each in shown])
        more = shown[-1] if len(found) > _PAGE else None
        older = "" if more is None else more.email_key if start else str(more.id)
        return self._guard.page(call, "people", people=shown, chosen=chosen, q=start, older=older)

    def person(self, call: Call) -> Response:
        """All that is stored of one person, and what became of each issue for them."""
        return self._person(call)

    def _person(self, call: Call, *, problem: str = "", status: int = 200) -> Response:
        services, person = self._services, self._found(call)
        story = why(services.database, services.settings, services.keyring, person.email)
        document = person_document(services.database, services.keyring, person.email)
        return self._guard.page(
            call, "person", person=person, document=document, story=story, problem=problem, status=status
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
        done = unsubscribe_address(
            self._services.database,
            person.email,
            now=self._services.clock(),
            digests=[digest] if digest else None,
            via="console",
        )
        self._guard.log(call, "subscriber unsubscribed", f"subscriber {person.id}")
        note = "done" if any(each.changed for each in done) else "none"
        return self._guard.back(f"/subscribers/{person.id}", note)

    def erase(self, call: Call) -> Response:
        """Remove all that names a person; the address has to be typed once more."""
        person = self._found(call)
        if call.text("confirm").lower() != person.email.lower():
            return self._person(call, problem="Nothing was erased: type the address to confirm.", status=400)
        services = self._services
        block = bool(call.text("block"))
        erase(services.database, services.keyring, person.email, now=services.clock(), block=block)
        self._guard.log(call, "subscriber erased", f"subscriber {person.id}")
        return self._guard.back("/subscribers")

    def suppressions(self, call: Call) -> Response:
        """The list, newest first; addresses stand there as hashes only."""
        after = call.text("after")
        before = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else None  # noqa: PLR2004
        with self._services.database.read() as session:
            found = suppressions(session, limit=_PAGE + 1, before=before)
        older = found[_PAGE - 1].id if len(found) > _PAGE else None
        return self._guard.page(call, "suppressions", entries=found[:_PAGE], older=older)

    def suppress(self, call: Call) -> Response:
        """Put an address or a domain on the list, or take it off."""
        services, what = self._services, call.text("what")
        if call.text("verb") == "remove":
            changed = release(services.database, services.keyring, what)
            action = "suppression removed"
        else:
            changed = suppress(
                services.database, services.keyring, what, note=call.text("note")[:200], now=services.clock()
            )
            action = "suppression added"
        about = "an address" if "@" in what else parse_address(f"postmaster@{what}").domain
        if changed:
            self._guard.log(call, action, about)
        return self._guard.back("/suppressions", "done" if changed else "none")

    def _found(self, call: Call) -> Subscriber:
        with self._services.database.read() as session:
            found = subscribers.subscriber_by_id(session, call.number)
        if found is None:
            raise UnknownNameError(f"there is no subscriber {call.number}")
        return found


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
