"""What stands before every page of the console: the session, the role, and the token of each form."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from syndicate.errors import SyndicateError
from syndicate.model import Role
from syndicate.pipeline.operators.signing_in import form_token, log_action, sign_in, sign_out, who
from syndicate.store.operators import Audited, Operator
from syndicate.web.admin.frame import Frame, may
from syndicate.web.admin.uploads import upload
from syndicate.web.errors import told
from syndicate.web.forms import Form, read_form

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

COOKIE: Final = "syndicate_console"
NOTES: Final[Mapping[str, str]] = {"done": "Done.", "none": "Nothing had to be changed."}


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a signed-in operator. ``form`` is None for a GET."""

    request: Request
    operator: Operator
    token: str
    form: Form | None = None
    file: UploadFile | None = None

    def text(self, name: str) -> str:
        """A field of the form, or of the query of a GET; empty when it is not there."""
        if self.form is not None:
            return (self.form.text(name) or "").strip()
        return self.request.query_params.get(name, "").strip()

    @property
    def number(self) -> int:
        """The number in the path. Raises HTTPException 404."""
        return self.part("number")

    def part(self, name: str) -> int:
        """Another number in the path. Raises HTTPException 404."""
        found = as_number(self.request.path_params[name])
        if found is None:
            raise HTTPException(404)
        return found

    def cursor(self, name: str) -> int | None:
        """Where a page is to go on; None for what is no number."""
        return as_number(self.text(name))


def as_number(text: str) -> int | None:
    """A number as the database may have one (it fits an INTEGER); None for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Place:
    """One route of the console: who may, and what it does."""

    path: str
    method: str
    role: Role
    handler: Callable[[Call], Response]
    upload: bool = False  # its form brings a file


class Guard:
    """Lets requests through to the handlers, or not."""

    def __init__(self, services: Services, frame: Frame) -> None:
        self._services = services
        self.frame = frame

    def route(self, place: Place) -> Route:
        """A Starlette route that checks before it calls."""

        async def endpoint(request: Request) -> Response:
            if place.method == "GET":
                return await run_in_threadpool(self._show, request, place)
            if place.upload:
                return await self._take(request, place)
            form = await read_form(request)
            return await run_in_threadpool(self._act, request, place, form)

        return Route(f"/admin{place.path}", endpoint, methods=[place.method])

    def sign_in_routes(self) -> list[Route]:
        """The door itself."""
        return [
            Route("/admin/sign-in", self._door, methods=["GET"]),
            Route("/admin/sign-in", self._enter, methods=["POST"]),
            Route("/admin/sign-out", self._leave, methods=["POST"]),
        ]

    def page(self, call: Call, name: str, *, status: int = 200, **values: Any) -> Response:
        """A page for the operator who called."""
        note = NOTES.get(call.request.query_params.get("note", ""), "")
        values.setdefault("problem", "")
        here = call.request.url.path.partition("/admin")[2]
        return self.frame.page(
            name,
            operator=call.operator,
            form_token=form_token(call.token),
            here=here,
            status=status,
            note=note,
            **values,
        )

    def back(self, path: str, note: str = "done") -> Response:
        """To a page after an action, so that reloading does not repeat it."""
        return RedirectResponse(f"{self.frame.base}{path}?note={note}", status_code=303)

    def audited(self, call: Call, action: str, about: str = "") -> Audited:
        """The database for an action: the line of the log is written in the transaction that does it."""
        return Audited(self._services.database, call.operator.name, action, self._services.clock(), about=about)

    def log(self, call: Call, action: str, about: str = "") -> None:
        """Write down what was done, where it changed nothing in the database."""
        log_action(self._services.database, call.operator, action, self._services.clock(), about=about)

    def _caller(self, request: Request) -> tuple[Operator, str] | None:
        token = request.cookies.get(COOKIE, "")
        found = who(self._services.database, token, self._services.clock()) if token else None
        return None if found is None else (found, token)

    def _show(self, request: Request, place: Place) -> Response:
        found = self._caller(request)
        if found is None:
            return RedirectResponse(f"{self.frame.base}/sign-in", status_code=303)
        return self._answer(place, Call(request, *found))

    def _act(self, request: Request, place: Place, form: Form, file: UploadFile | None = None) -> Response:
        found = self._caller(request)
        if found is None:
            return RedirectResponse(f"{self.frame.base}/sign-in", status_code=303)
        call = Call(request, *found, form, file)
        if not _genuine(form, call.token):
            return self.page(
                call, "refused", status=403, problem="This form was not made by this session. Go back and reload it."
            )
        return self._answer(place, call)

    async def _take(self, request: Request, place: Place) -> Response:
        # Who may not is refused before the file is read.
        found = await run_in_threadpool(self._caller, request)
        if found is None:
            return RedirectResponse(f"{self.frame.base}/sign-in", status_code=303)
        if not may(found[0], place.role):
            return await run_in_threadpool(self._answer, place, Call(request, *found))
        async with upload(request) as (form, file):
            return await run_in_threadpool(self._act, request, place, form, file)

    def _answer(self, place: Place, call: Call) -> Response:
        if not may(call.operator, place.role):
            return self.page(call, "refused", status=403, problem=f"This is for the role {place.role}.")
        try:
            return place.handler(call)
        except SyndicateError as error:
            # Operators are told all of it, in the words of the command line.
            return self.page(call, "refused", status=told(error).status, problem=str(error))

    def _door(self, request: Request) -> Response:
        return self._door_page(request.cookies.get(COOKIE) or secrets.token_urlsafe(32))

    def _door_page(self, token: str, *, status: int = 200, problem: str = "") -> Response:
        response = self.frame.page(
            "sign_in", operator=None, form_token=form_token(token), status=status, problem=problem, note=""
        )
        self._set(response, token, None)
        return response

    async def _enter(self, request: Request) -> Response:
        form = await read_form(request)
        token = request.cookies.get(COOKIE, "")
        if not token or not _genuine(form, token):
            return self._door_page(secrets.token_urlsafe(32), status=403, problem="Please try once more.")
        lifetime = self._services.settings.admin.session_lifetime
        made = await run_in_threadpool(
            sign_in,
            self._services.database,
            form.text("name") or "",
            form.text("password") or "",
            form.text("code") or "",
            lifetime=lifetime,
            now=self._services.clock(),
        )
        if made is None:
            problem = "Name, password or code is wrong, or the account is locked for a while after wrong ones."
            return self._door_page(token, status=403, problem=problem)
        response = RedirectResponse(self.frame.base, status_code=303)
        self._set(response, made, int(lifetime.total_seconds()))
        return response

    async def _leave(self, request: Request) -> Response:
        form = await read_form(request)
        found = await run_in_threadpool(self._caller, request)
        response = RedirectResponse(f"{self.frame.base}/sign-in", status_code=303)
        if found is not None:
            operator, token = found
            if not _genuine(form, token):
                raise HTTPException(403)
            await run_in_threadpool(sign_out, self._services.database, token, operator, self._services.clock())
            response.delete_cookie(COOKIE, path=self.frame.base)
        return response

    def _set(self, response: Response, token: str, age: int | None) -> None:
        response.set_cookie(
            COOKIE,
            token,
            max_age=age,
            path=self.frame.base,
            secure=self.frame.secure,
            httponly=True,
            samesite="strict",
        )


def _genuine(form: Form, token: str) -> bool:
    return hmac.compare_digest((form.text("csrf") or "").encode(), form_token(token).encode())
