"""Before an issue goes: what it is made of, edited, previewed, sent to an editor as a test, approved."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.api_scopes import allowed
from syndicate.core.documents import issue_document
from syndicate.errors import UnknownNameError
from syndicate.pipeline.compose import Preview, editing, preview_digest
from syndicate.service.passes import send_draft_test
from syndicate.service.wiring import Services
from syndicate.store.issues import get_issue
from syndicate.store.subscribers import subscriber_by_id
from syndicate.web.api.issue_models import ContentsOut, EditIn, IssueOut, PreviewOut, TestOut
from syndicate.web.api.member_models import EmailIn
from syndicate.web.api.operations import IssueNumber, answer, operation, token_of
from syndicate.web.api.problems import FORBIDDEN, ProblemError

Reader = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="As this subscriber would get it; needs subscribers:read.")
]
DigestName = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^/\x00-\x20\x7f]+$")]


class DraftOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        read, write, send = ["issues:read"], ["issues:write"], ["issues:send"]
        one, state = "/issues/{number}", [404, 409]
        operation(router, "GET", f"{one}/contents", self.show_contents, scopes=read, model=ContentsOut, problems=[404])
        operation(router, "PATCH", one, self.edit_issue, scopes=write, model=ContentsOut, problems=state)
        operation(router, "POST", f"{one}/undo", self.undo_edit, scopes=write, model=ContentsOut, problems=state)
        for path, handler in (
            (f"{one}/preview", self.preview_issue),
            ("/digests/{digest}/preview", self.preview_digest),
        ):
            operation(router, "GET", path, handler, scopes=read, model=PreviewOut, problems=state)
        operation(router, "POST", f"{one}/test", self.test_issue, scopes=send, model=TestOut, problems=state)
        operation(router, "POST", f"{one}/approve", self.approve_issue, scopes=send, model=IssueOut, problems=state)

    def show_contents(self, number: IssueNumber) -> Response:
        """Show what an issue is made of. Its articles, an editor's changes, and who did what to it."""
        return self._contents(number)

    def edit_issue(self, request: Request, number: IssueNumber, body: EditIn) -> Response:
        """Change a draft. Articles are named by `url` or `uid`; what is not given stays."""
        services = self._services
        tools = services.database, services.renderer, number
        editing.edit_issue(*tools, editing.Wish(**body.model_dump()), now=services.clock(), by=_by(request))
        return self._contents(number)

    def undo_edit(self, request: Request, number: IssueNumber) -> Response:
        """Take the last change of a draft back. Again and again, back to how it was composed."""
        services = self._services
        editing.undo_edit(services.database, services.renderer, number, now=services.clock(), by=_by(request))
        return self._contents(number)

    def preview_issue(self, request: Request, number: IssueNumber, subscriber: Reader = None) -> Response:
        """Preview a draft. As it would go out if it were approved now."""
        services, email = self._services, self._email(request, subscriber)
        tools = services.database, services.renderer, services.personal, services.keyring
        return _preview(editing.preview_issue(*tools, number, email=email, now=services.clock()))

    def preview_digest(self, request: Request, digest: DigestName, subscriber: Reader = None) -> Response:
        """Preview a digest. As it would go out now, to a new reader or to a subscriber."""
        services, email = self._services, self._email(request, subscriber)
        services.settings.named_digest(digest)
        tools = services.database, services.renderer, services.personal, services.keyring
        return _preview(preview_digest(*tools, digest, email=email, now=services.clock()))

    def test_issue(self, number: IssueNumber, body: EmailIn) -> Response:
        """Send one [test] copy of a draft to an editor. Nothing of it stands on the ledger."""
        outcome, subject = send_draft_test(self._services, number, body.email)
        return answer({"subject": subject, "outcome": outcome.kind, "reply": outcome.text, "relay": outcome.relay})

    def approve_issue(self, request: Request, number: IssueNumber) -> Response:
        """Approve a draft. It goes out."""
        services = self._services
        issue = editing.approve(services.database, services.renderer, number, now=services.clock(), by=_by(request))
        return answer(issue_document(issue))

    def _contents(self, number: int) -> Response:
        with self._services.database.read() as session:
            issue, made = get_issue(session, number), editing.contents(session, number)
        return answer(
            {
                "issue": number,
                "state": issue.state,
                "subject": issue.subject,
                "edited_subject": made.edits.subject or None,
                "intro": made.edits.intro,
                "articles": [asdict(article) for article in made.articles],
                "events": [{"event": each.event, "at": each.at, "by": each.by} for each in made.events],
            }
        )

    def _email(self, request: Request, subscriber: int | None) -> str | None:
        if subscriber is None:
            return None
        if not allowed(token_of(request).scopes, "subscribers:read"):
            raise ProblemError(FORBIDDEN, "the token lacks the scope subscribers:read")
        with self._services.database.read() as session:
            found = subscriber_by_id(session, subscriber)
        if found is None:
            raise UnknownNameError(f"there is no subscriber {subscriber}")
        return found.email


def _by(request: Request) -> str:
    return f"token {token_of(request).name}"


def _preview(made: Preview) -> Response:
    document: dict[str, Any] = {
        "subject": made.subject,
        "html": made.html,
        "text": made.text,
        "articles": made.articles,
        "new": made.new,
        "reason": made.reason or None,
        "size": len(made.message),
        "preflight": [finding.document() for finding in made.findings],
    }
    return answer(document)
