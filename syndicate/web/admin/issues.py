"""Issues in the console: the list, one issue, its editions and its ledger, and what an operator does to it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from syndicate.core.message.public_copy import public_copy
from syndicate.errors import SyndicateError, UsageError
from syndicate.model import DeliveryState, Issue, IssueState, Role
from syndicate.pipeline import control
from syndicate.pipeline.compose import editing
from syndicate.service import passes
from syndicate.service.status import pace_now
from syndicate.store.console import edition_lines, edition_message, ledger_page
from syndicate.store.issues import get_issue, issue_reasons, list_issues
from syndicate.store.waves import waves_to_come
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50
_EDITIONS: Final = 20
_LISTED: Final = 100
# Others' HTML in a frame of ours: no script, no form, no origin; shown by the console alone.
_MAILED: Final = {
    "content-security-policy": (
        "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
}
# What may be pressed in which state.
_ACTIONS: Final = {
    IssueState.DRAFT: ("approve", "cancel"),
    IssueState.RUNNING: ("pause", "cancel"),
    IssueState.PAUSED: ("resume", "cancel"),
}


class IssuePlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard

    def places(self) -> list[Place]:
        """Viewers look, editors act."""
        one = "/issues/{number}"
        return [
            Place("/issues", "GET", Role.VIEWER, self.issues),
            Place(one, "GET", Role.VIEWER, self.issue),
            Place(f"{one}/ledger", "GET", Role.EDITOR, self.ledger),
            Place(f"{one}/editions/{{edition}}", "GET", Role.VIEWER, self.edition),
            Place(f"{one}/edition-mail/{{edition}}", "GET", Role.VIEWER, self.mail),
            Place(f"{one}/edit", "POST", Role.EDITOR, self.edit),
            Place(f"{one}/test", "POST", Role.EDITOR, self.try_out),
            Place(f"{one}/act", "POST", Role.EDITOR, self.act),
        ]

    def issues(self, call: Call) -> Response:
        """The newest issues, of one digest or all."""
        digest = call.text("digest")
        with self._services.database.read() as session:
            found = list_issues(session, digest=digest or None, limit=_LISTED)
        return self._guard.page(
            call, "issues", issues=found, digest=digest, digests=list(self._services.settings.digest)
        )

    def issue(self, call: Call) -> Response:
        """One issue with all that may be done to it."""
        return self._issue(call)

    def _issue(self, call: Call, *, problem: str = "", status: int = 200) -> Response:
        services, now, number = self._services, self._services.clock(), call.number
        with services.database.read() as session:
            issue = get_issue(session, number)
            values: dict[str, Any] = {
                "issue": issue,
                "pace": pace_now(session, issue, now),
                "reasons": issue_reasons(session, number),
                "waves": waves_to_come(session, number, now),
                "editions": edition_lines(session, number, limit=_EDITIONS),
                "made": editing.contents(session, number),
            }
        draft = issue.state is IssueState.DRAFT
        return self._guard.page(
            call,
            "issue",
            problem=problem,
            status=status,
            actions=_ACTIONS.get(issue.state, ()),
            findings=self._findings(issue, now) if draft else [],
            draft=draft,
            **values,
        )

    def _findings(self, issue: Issue, now: datetime) -> list[tuple[str, str, str, str]]:
        services = self._services
        try:
            preview = editing.preview_issue(
                services.database, services.renderer, services.personal, services.keyring, issue.id, email=None, now=now
            )
        except SyndicateError as error:
            return [("error", str(error), "", "")]
        return [(str(each.severity), each.what, each.where, each.todo) for each in preview.findings]

    def ledger(self, call: Call) -> Response:
        """The deliveries of one state, in pages. Anyone's own story stands with the subscriber."""
        number = call.number
        try:
            after = _place(call.text("after"))
            chosen = DeliveryState(call.text("state")) if call.text("state") else None
        except ValueError as error:
            raise HTTPException(400) from error
        with self._services.database.read() as session:
            issue = get_issue(session, number)
            counts = issue.counts.as_dict()
            if chosen is None:
                chosen = next((each for each in reversed(DeliveryState) if counts[each.value]), DeliveryState.ACCEPTED)
            found = ledger_page(session, number, chosen, limit=_PAGE + 1, after=after)
        more = found[_PAGE - 1] if len(found) > _PAGE else None
        return self._guard.page(
            call,
            "ledger",
            issue=issue,
            counts=counts,
            state=chosen.value,
            rows=found[:_PAGE],
            older=f"{more.due_at.isoformat()}~{more.id}" if more else "",
        )

    def edition(self, call: Call) -> Response:
        """The page with the frame: one edition at phone or desk width, light or dark."""
        number, edition = call.number, _number(call.request.path_params["edition"])
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
            message = edition_message(session, call.number, _number(call.request.path_params["edition"]))
        if message is None:
            raise HTTPException(404)
        return HTMLResponse(public_copy(message) or "", headers=_MAILED)

    def edit(self, call: Call) -> Response:
        """Change a draft, or take the last change back."""
        services, number, now = self._services, call.number, self._services.clock()
        tools = services.database, services.renderer, number
        try:
            if call.text("undo"):
                editing.undo_edit(*tools, now=now, by=call.operator.name)
            else:
                editing.edit_issue(*tools, _wish(call), now=now, by=call.operator.name)
        except UsageError as error:
            return self._issue(call, problem=str(error), status=400)
        self._guard.log(call, "issue edited", f"issue {number}")
        return self._guard.back(f"/issues/{number}")

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
        number, verb, database = call.number, call.text("verb"), self._services.database
        now = self._services.clock()
        if verb == "approve":
            editing.approve(database, self._services.renderer, number, now=now, by=call.operator.name)
        elif verb == "pause":
            control.pause(database, number, now)
        elif verb == "resume":
            control.resume(database, number, now)
        elif verb == "cancel":
            if not call.text("sure"):
                return self._issue(call, problem="Tick the box to cancel: it cannot be taken back.", status=400)
            control.cancel(database, number, now)
        elif verb in {"resend", "skip"}:
            control.resolve(database, number, how=cast("Literal['resend', 'skip']", verb), now=now)
        elif verb == "retry":
            control.retry(database, number, only=None, now=now)
        else:
            raise HTTPException(400)
        self._guard.log(call, f"issue: {verb}", f"issue {number}")
        return self._guard.back(f"/issues/{number}")


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


def _place(text: str) -> tuple[datetime, int] | None:
    if not text:
        return None
    at, _, number = text.partition("~")
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("a place without a zone")
    return moment, int(number)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < len(text) < 10:  # noqa: PLR2004 - fits an INTEGER
        raise HTTPException(404)
    return int(text)
