"""What a reader may do with all that is stored of them: see it, take it to another address, have it erased.

The link is the key, as on the other pages; what cannot be undone asks for the address besides, since mails travel on.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicate.core.links import Purpose, sign
from syndicate.errors import AddressError, UsageError
from syndicate.pipeline.members.describing import own_document
from syndicate.pipeline.members.erasing import erase_own
from syndicate.pipeline.members.moving import Move, ask_for_move, move, show_move
from syndicate.web.forms import Form, read_form
from syndicate.web.members import MemberPages
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services


class OwnData:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages, members: MemberPages) -> None:
        self._services = services
        self._pages = pages
        self._members = members

    def routes(self) -> list[BaseRoute]:
        """Behind the preferences link, and the link that goes to a new address."""
        return [
            Route("/preferences/{token}/data.json", self.data, methods=["GET"]),
            Route("/preferences/{token}/address", self.address_page, methods=["GET"]),
            Route("/preferences/{token}/address", self.address, methods=["POST"]),
            Route("/preferences/{token}/erase", self.erase_page, methods=["GET"]),
            Route("/preferences/{token}/erase", self.erase, methods=["POST"]),
            Route("/address/{token}", self.move_page, methods=["GET"]),
            Route("/address/{token}", self.move, methods=["POST"]),
        ]

    def data(self, request: Request) -> Response:
        """All that is stored, as JSON; the address masked, since this link may have been forwarded."""
        services = self._services
        document = own_document(services.database, services.keyring, request.path_params["token"], now=services.clock())
        headers = {
            "cache-control": "no-store",
            "x-robots-tag": "noindex, nofollow",
            "content-disposition": 'attachment; filename="my-data.json"',
        }
        text = json.dumps(document, ensure_ascii=False, indent=2, default=_plain)
        return Response(text + "\n", media_type="application/json", headers=headers)

    def address_page(self, request: Request) -> Response:
        """Ask for the new address."""
        return self._address(request, Form.empty())

    async def address(self, request: Request) -> Response:
        """Send the mail to the new address, and say so whether it may be sent or not."""
        form = await read_form(request)
        return await run_in_threadpool(self._ask, request, form)

    def _ask(self, request: Request, form: Form) -> Response:
        services = self._services
        try:
            ask_for_move(
                services.database,
                services.settings,
                services.keyring,
                request.path_params["token"],
                form.text("own") or "",
                form.text("email") or "",
                now=services.clock(),
            )
        except AddressError:
            return self._address(request, form, problem="problem_address")
        except UsageError:
            return self._address(request, form, problem="problem_own")
        return self._address(request, form, sent=True)

    def _address(self, request: Request, form: Form, *, sent: bool = False, problem: str | None = None) -> Response:
        speak, about = self._members.about(request, Purpose.PREFERENCES)
        values: dict[str, Any] = {
            "sent": sent,
            "problem": self._pages.word(speak, problem) if problem else "",
            "own": (form.text("own") or "")[:254],
            "wanted": (form.text("email") or "")[:254],
        }
        return self._pages.render("move", status=400 if problem else 200, speak=speak, **about, **values)

    def move_page(self, request: Request) -> Response:
        """Say what would come here, and offer the button."""
        services = self._services
        found = show_move(services.database, services.keyring, request.path_params["token"], now=services.clock())
        return self._moved(request, found)

    async def move(self, request: Request) -> Response:
        """Change the address."""
        await read_form(request)
        services = self._services
        found = await run_in_threadpool(
            move, services.database, services.keyring, request.path_params["token"], now=services.clock()
        )
        return self._moved(request, found)

    def _moved(self, request: Request, found: Move) -> Response:
        link = ""
        if found.subscription is not None:
            token = sign(self._services.keyring, Purpose.PREFERENCES, found.subscription.id)
            link = f"{self._pages.root}/{Purpose.PREFERENCES}/{token}"
        values: dict[str, Any] = {
            "old": found.from_email,
            "email": found.to_email,
            "done": found.done,
            "preferences_url": link,
        }
        return self._pages.render("moved", speak=self._pages.language(request), **values)

    def erase_page(self, request: Request) -> Response:
        """Say what would be erased, and offer the button."""
        return self._erase_page(request)

    async def erase(self, request: Request) -> Response:
        """Erase the reader."""
        form = await read_form(request)
        return await run_in_threadpool(self._erase, request, form)

    def _erase(self, request: Request, form: Form) -> Response:
        services = self._services
        speak, _ = self._members.about(request, Purpose.PREFERENCES)
        own = form.text("own") or ""
        try:
            erase_own(services.database, services.keyring, request.path_params["token"], own, now=services.clock())
        except UsageError:
            return self._erase_page(request, problem="problem_own")
        return self._pages.render("erased", speak=speak)

    def _erase_page(self, request: Request, problem: str | None = None) -> Response:
        speak, about = self._members.about(request, Purpose.PREFERENCES)
        said = self._pages.word(speak, problem) if problem else ""
        return self._pages.render("erase", status=400 if problem else 200, speak=speak, problem=said, **about)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
