"""Issues: listed with their sums, composed, stopped and resumed; their deliveries one by one. Drafts: drafts.py."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.documents import issue_document
from syndicate.core.outcomes import BounceClass
from syndicate.core.periods import manual_key
from syndicate.model import DeliveryState, Issue, IssueState
from syndicate.pipeline import control
from syndicate.pipeline.compose import compose
from syndicate.service.wiring import Services
from syndicate.store.issues import get_issue, list_issues
from syndicate.store.listings import deliveries_page
from syndicate.web.api.issue_models import Deliveries, IssueChanged, IssueOut, Issues, NewIssue, Resolution, Retry
from syndicate.web.api.once import IdempotencyKey, once
from syndicate.web.api.operations import (
    Cursor,
    IssueNumber,
    Limit,
    answer,
    operation,
    page,
    read_cursor,
    write_cursor,
)
from syndicate.web.api.problems import INVALID, ProblemError

_OPEN = {DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value}


class IssueOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        read, write, send = ["issues:read"], ["issues:write"], ["issues:send"]
        one = "/issues/{number}"
        operation(router, "GET", "/issues", self.list_issues, scopes=read, model=Issues)
        operation(
            router, "POST", "/issues", self.compose_issue, scopes=send, model=IssueOut, status=201, problems=[404, 409]
        )
        operation(router, "GET", one, self.show_issue, scopes=read, model=IssueOut, problems=[404])
        whom = ["issues:read", "subscribers:read"]
        operation(
            router, "GET", f"{one}/deliveries", self.list_deliveries, scopes=whom, model=Deliveries, problems=[404]
        )
        change = {"model": IssueOut, "problems": [404, 409]}
        operation(router, "POST", f"{one}/pause", self.pause_issue, scopes=write, **change)  # type: ignore[arg-type]
        operation(router, "POST", f"{one}/resume", self.resume_issue, scopes=write, **change)  # type: ignore[arg-type]
        operation(router, "POST", f"{one}/cancel", self.cancel_issue, scopes=write, **change)  # type: ignore[arg-type]
        counted = {"scopes": write, "model": IssueChanged, "problems": [404, 409]}
        operation(router, "POST", f"{one}/resolve", self.resolve_issue, **counted)  # type: ignore[arg-type]
        operation(router, "POST", f"{one}/retry", self.retry_issue, **counted)  # type: ignore[arg-type]

    def list_issues(
        self,
        digest: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00-\x20\x7f]+$")] = None,
        state: IssueState | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List issues. The newest comes first."""
        before = read_cursor(cursor, int)
        with self._services.database.read() as session:
            found = list_issues(
                session,
                digest=digest,
                states=None if state is None else [state],
                limit=limit,
                before=before[0] if before else None,
            )
        return page("issues", [issue_document(issue) for issue in found], limit, lambda: write_cursor(found[-1].id))

    def show_issue(self, number: IssueNumber) -> Response:
        """Show an issue. With its sums: `recipients` is always the sum of `counts`."""
        with self._services.database.read() as session:
            return answer(issue_document(get_issue(session, number)))

    def compose_issue(self, request: Request, body: NewIssue, idempotency_key: IdempotencyKey = None) -> Response:
        """Compose an issue now. For all confirmed subscriptions; `syndicate run` delivers it, unless it is a draft."""
        services = self._services
        services.settings.named_digest(body.digest)

        def work(began_at: datetime) -> tuple[int, Any]:
            period = manual_key(began_at)  # of the first try: after a crash the second one finds the same issue
            issue = compose(
                services.database, services.renderer, body.digest, period=period, frequencies=None, now=services.clock()
            )
            if issue is None:
                raise AssertionError("a manual issue is stored even when it is skipped")
            return 201, issue_document(issue)

        return once(services, request, idempotency_key, body.model_dump(), work)

    def list_deliveries(
        self, number: IssueNumber, state: DeliveryState | None = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """List an issue's deliveries. By the numbers of their receivers; those of erased readers come last."""
        after = read_cursor(cursor, str, int)
        if after is not None and after[0] not in {"s", "d"}:
            raise ProblemError(INVALID, "cursor: expected `next` of a page before")
        with self._services.database.read() as session:
            get_issue(session, number)
            found = deliveries_page(
                session, number, limit=limit, after=None if after is None else (after[0], after[1]), state=state
            )
        documents = [asdict(row) | ({} if row.state in _OPEN else {"due_at": None}) for row in found]

        def following() -> str:
            last = found[-1]
            return write_cursor("d", last.id) if last.subscriber_id is None else write_cursor("s", last.subscriber_id)

        return page("deliveries", documents, limit, following)

    def pause_issue(self, number: IssueNumber) -> Response:
        """Pause an issue. What is on the wire is finished, nothing more is begun."""
        return self._changed(control.pause(self._services.database, number, self._services.clock()))

    def resume_issue(self, number: IssueNumber) -> Response:
        """Resume a paused issue."""
        return self._changed(control.resume(self._services.database, number, self._services.clock()))

    def cancel_issue(self, number: IssueNumber) -> Response:
        """Cancel an issue. What is queued or deferred is not sent; a draft's articles come with the next issue."""
        return self._changed(control.cancel(self._services.database, number, self._services.clock()))

    def resolve_issue(self, number: IssueNumber, body: Resolution) -> Response:
        """Decide about deliveries in doubt. `resend` queues them again with the same Message-ID, `skip` leaves them."""
        services = self._services
        issue, count = control.resolve(services.database, number, how=body.as_, now=services.clock())
        return answer({**issue_document(issue), "changed": count})

    def retry_issue(self, number: IssueNumber, body: Retry) -> Response:
        """Queue rejected deliveries again. Of one class, or all but those to dead addresses."""
        services = self._services
        only = None if body.class_ is None else BounceClass(body.class_)
        issue, count = control.retry(services.database, number, only=only, now=services.clock())
        return answer({**issue_document(issue), "changed": count})

    @staticmethod
    def _changed(issue: Issue) -> Response:
        return answer(issue_document(issue))
