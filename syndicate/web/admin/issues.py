"""Issues in the console: the list, one issue, its editions, and what an operator does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from syndicate.core.message.public_copy import public_copy
from syndicate.core.outcomes import BounceClass
from syndicate.errors import UsageError
from syndicate.model import IssueState, Role
from syndicate.pipeline import control
from syndicate.pipeline.compose import editing
from syndicate.service import passes
from syndicate.service.figures import Figures
from syndicate.store.console import edition_lines, edition_message
from syndicate.store.issues import get_issue, list_issues
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 25
_EDITIONS: Final = 20
# Others' HTML in a frame of ours: no script, no form, no origin; shown by the console alone.
_MAILED: Final = {
    "content-security-policy": (
        "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
}
_VERBS: Final = {"approve", "pause", "resume", "cancel", "resend", "skip", "retry"}
# What may be pressed in which state.
_ACTIONS: Final = {
    IssueState.DRAFT: ("approve", "cancel"),
    IssueState.RUNNING: ("pause", "cancel"),
    IssueState.PAUSED: ("resume", "cancel"),
}


class IssuePlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard, figures: Figures) -> None:
        self._services = services
        self._guard = guard
        self._figures = figures

    def places(self) -> list[Place]:
        """Viewers look, editors act."""
        one = "/issues/{number}"
        return [
            Place("/issues", "GET", Role.VIEWER, self.issues),
            Place(one, "GET", Role.VIEWER, self.issue),
            Place(f"{one}/editions/{{edition}}", "GET", Role.VIEWER, self.edition),
            Place(f"{one}/edition-mail/{{edition}}", "GET", Role.VIEWER, self.mail),
            Place(f"{one}/edit", "POST", Role.EDITOR, self.edit),
            Place(f"{one}/test", "POST", Role.EDITOR, self.try_out),
            Place(f"{one}/act", "POST", Role.EDITOR, self.act),
        ]

    def issues(self, call: Call) -> Response:
        """The issues of one digest or all, newest first."""
        digest, before = call.text("digest"), call.cursor("before")
        with self._services.database.read() as session:
            found = list_issues(
                session,
                digest=digest or None,
                limit=_PAGE + 1,
                before=before,
                counting=self._figures.counting,
            )
        older = found[_PAGE - 1].id if len(found) > _PAGE else None
        return self._guard.page(
            call,
            "issues",
            issues=found[:_PAGE],
            older=older,
            digest=digest,
            digests=list(self._services.settings.digest),
        )

    def issue(self, call: Call) -> Response:
        """One issue with all that may be done to it."""
        return self._issue(call)

    def _issue(self, call: Call, *, problem: str = "", status: int = 200) -> Response:
        services, number = self._services, call.number
        with services.database.read() as session:
            get_issue(session, number, lambda _session, _ids: {})  # is it there?
        figures = self._figures.issues.get(number)
        with services.database.read() as session:
            issue = get_issue(session, number, lambda _session, _ids: {number: figures.counts})
            values: dict[str, Any] = {
                "issue": issue,
                "figures": figures,
                "editions": edition_lines(session, number, limit=_EDITIONS),
                "made": editing.contents(session, number),
            }
        draft = issue.state is IssueState.DRAFT
        changes = len(values["made"].events)
        return self._guard.page(
            call,
            "issue",
            problem=problem,
            status=status,
            actions=_ACTIONS.get(issue.state, ()),
            findings=self._figures.findings.get((number, changes)) if draft else [],
            classes=list(BounceClass),
            draft=draft,
            **values,
        )

    def edition(self, call: Call) -> Response:
        """The page with the frame: one edition at phone or desk width, light or dark."""
        number, edition = call.number, call.part("edition")
        with self._services.database.read() as session:
            issue = get_issue(session, number)
            editions = edition_lines(session, number, limit=_EDITIONS)
            found = next((each for each in editions if each.id == edition), None)
        if found is None:
            raise HTTPException(404)
        width = "phone" if call.text("width") == "phone" else "desk"
        scheme = "dark" if call.text("scheme") == "dark" else "light"
        return self._guard.page(
            call, "edition", issue=issue, edition=found, editions=editions, width=width, scheme=scheme
        )

    def mail(self, call: Call) -> Response:
        """What stands in the frame: the edition's HTML without the parts that are one reader's own."""
        with self._services.database.read() as session:
            message = edition_message(session, call.number, call.part("edition"))
        if message is None:
            raise HTTPException(404)
        return HTMLResponse(public_copy(message) or "", headers=_MAILED)

    def edit(self, call: Call) -> Response:
        """Change a draft, or take the last change back."""
        services, number, now = self._services, call.number, self._services.clock()
        undo = bool(call.text("undo"))
        database = self._guard.audited(call, "issue edit undone" if undo else "issue edited", f"issue {number}")
        tools = database, services.renderer, number
        try:
            if undo:
                editing.undo_edit(*tools, now=now, by=call.operator.name)
            else:
                editing.edit_issue(*tools, _wish(call), now=now, by=call.operator.name)
        except UsageError as error:
            return self._issue(call, problem=str(error), status=400)
        self._figures.forget_issue(number)
        return self._guard.back(f"/issues/{number}", "done" if database.noted else "none")

    def try_out(self, call: Call) -> Response:
        """Send one test copy of a draft."""
        number = call.number
        outcome, _subject = passes.send_draft_test(self._services, number, call.text("to"))
        self._guard.log(call, "test copy sent", f"issue {number}")
        if outcome.kind.value != "accepted":
            return self._issue(call, problem=f"The test copy was {outcome.kind}: {outcome.text}", status=502)
        return self._guard.back(f"/issues/{number}")

    def act(self, call: Call) -> Response:
        """Approve, pause, resume, cancel, resolve or retry."""
        number, verb, only = call.number, call.text("verb"), call.text("class")
        if verb == "cancel" and not call.text("sure"):
            return self._issue(call, problem="Tick the box to cancel: it cannot be taken back.", status=400)
        words = f"issue: {verb} {only}".rstrip() if verb == "retry" else f"issue: {verb}"
        if verb not in _VERBS or only not in {"", *BounceClass}:
            raise HTTPException(400)
        database, now = self._guard.audited(call, words, f"issue {number}"), self._services.clock()
        count = 1
        if verb == "approve":
            editing.approve(database, self._services.renderer, number, now=now, by=call.operator.name)
        elif verb == "pause":
            control.pause(database, number, now)
        elif verb == "resume":
            control.resume(database, number, now)
        elif verb == "cancel":
            control.cancel(database, number, now)
        elif verb == "retry":
            _, count = control.retry(database, number, only=BounceClass(only) if only else None, now=now)
        else:
            _, count = control.resolve(database, number, how=cast("Literal['resend', 'skip']", verb), now=now)
        self._figures.forget_issue(number)
        return self._guard.back(f"/issues/{number}", "done" if count else "none")


def _wish(call: Call) -> editing.Wish:
    assert call.form is not None  # noqa: S101 - a POST
    order: dict[str, int] = {}
    chosen: dict[str, list[str]] = {"pin": [], "drop": [], "restore": []}
    for url in call.form.texts("article"):
        choice, place = call.text(f"choice {url}"), call.text(f"place {url}")
        if choice in chosen:
            chosen[choice].append(url)
        if place:
            if not place.isascii() or not place.isdecimal():
                raise UsageError(f"{place!r} is no place in the order: give a number, or nothing")
            order[url] = int(place)
    return editing.Wish(
        subject=call.form.text("subject"),
        intro=call.form.text("intro"),
        pin=chosen["pin"],
        drop=chosen["drop"],
        restore=chosen["restore"],
        order=sorted(order, key=order.__getitem__) if order else None,
    )
