"""Other programs that work with the service, in the console: tokens of the API, and the log of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from syndicate.model import Role
from syndicate.store import outbox
from syndicate.store.api_tokens import list_tokens
from syndicate.store.tables.api import WEBHOOK_STATES
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50


class IntegrationPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """For owners; tokens are made and ended on the command line, where they are shown once."""
        return [
            Place("/api", "GET", Role.OWNER, self.api),
            Place("/webhooks/{number}", "GET", Role.OWNER, self.message),
            Place("/webhooks/{number}/retry", "POST", Role.OWNER, self.again),
        ]

    def api(self, call: Call) -> Response:
        """Tokens without their secrets; webhooks with what they are owed; the log, newest first."""
        chosen = {name: call.text(name) for name in ("webhook", "state")}
        now = self._services.clock()
        with self._services.database.read() as session:
            tokens = list_tokens(session)
            backlogs = {each.webhook: each for each in outbox.backlogs(session)}
            found = outbox.list_messages(
                session,
                webhook=chosen["webhook"] or None,
                state=chosen["state"] or None,
                limit=_PAGE + 1,
                before=call.cursor("before"),
            )
        hooks = self._services.settings.webhook
        names = [*hooks, *(name for name in backlogs if name not in hooks)]
        return self._guard.page(
            call,
            "api",
            tokens=[(token, token.expired(now)) for token in tokens],
            webhooks=[(name, hooks[name].events if name in hooks else (), backlogs.get(name)) for name in names],
            messages=found[:_PAGE],
            older=found[_PAGE - 1].id if len(found) > _PAGE else None,
            chosen=chosen,
            states=WEBHOOK_STATES,
        )

    def message(self, call: Call) -> Response:
        """One message with each attempt to hand it over."""
        with self._services.database.read() as session:
            found = outbox.message_by_id(session, call.number)
            if found is None:
                raise HTTPException(404)
            attempts = outbox.attempts_of(session, [found.id])[found.id]
        return self._guard.page(call, "webhook", message=found, attempts=attempts)

    def again(self, call: Call) -> Response:
        """Owe a message that was given up, or waits, once more: it is sent by the next pass."""
        number = call.number
        with self._services.database.read() as session:
            found = outbox.message_by_id(session, number)
        if found is None:
            raise HTTPException(404)
        database = self._guard.audited(call, "webhook message owed again", f"message {number}")
        with database.write() as session:
            count = outbox.owe_again(session, found.webhook, self._services.clock(), message_id=number)
        return self._guard.back(f"/webhooks/{number}", "done" if count else "none")
