"""The web archive: the list of public issues, and each as it was mailed, without what was one reader's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.core.feeds import alternate_links
from syndicate.core.message.public_copy import public_copy
from syndicate.store.web_archive import ShownIssue, shown_issues, shown_message, taken_back
from syndicate.web.feed_pages import FeedPages
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50
_HIGHEST: Final = 2**31 - 1  # what an issue's id can be in the database
# A mail is others' HTML: no script, no form, no origin of ours; its pictures and inlined styles, nothing else.
_MAILED: Final = {
    "content-security-policy": "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'",
    "cache-control": "public, max-age=300",
}


class IssuePages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages, feeds: FeedPages) -> None:
        self._services = services
        self._pages = pages
        self._feeds = feeds
        settings = services.settings
        self._digests = [name for name, digest in settings.digest.items() if digest.public]

    def routes(self) -> list[BaseRoute]:
        """Only GETs."""
        return [
            Route("/issues", self.to_list, methods=["GET"]),
            Route("/issues/", self.issues, methods=["GET"]),
            Route("/issues/{number}", self.issue, methods=["GET"]),
            Route("/issues/{number}/{edition}", self.issue, methods=["GET"]),
        ]

    def to_list(self, _request: Request) -> Response:
        """The list lives at its slash."""
        return RedirectResponse(f"{self._pages.root}/issues/", status_code=301)

    def issues(self, request: Request) -> Response:
        """The list, newest first, in pages."""
        before = _number(request.query_params.get("before"))
        speak = self._pages.language(request)
        found = self.listed(_PAGE + 1, before, speak=speak)
        older = f"{self._pages.root}/issues/?before={found[_PAGE - 1]['id']}" if len(found) > _PAGE else ""
        values: dict[str, Any] = {"issues": found[:_PAGE], "older": older, "newest": before is None}
        return self._pages.render("issues", public=True, speak=speak, feeds=self._feeds.listed(issues=True), **values)

    def issue(self, request: Request) -> Response:
        """One issue as an edition shows it, by default that which most readers got.

        404 for what is not public or not kept any more.
        """
        number = _number(request.path_params["number"])
        wanted = request.path_params.get("edition")
        edition = _number(wanted)
        if number is None or (wanted is not None and edition is None):
            raise HTTPException(404)
        with self._services.database.read() as session:
            language = self._services.settings.site.language
            message = shown_message(session, self._digests, number, language, edition)
            gone = taken_back(session, [number]).get(number, [])
        links = alternate_links(self._services.settings)
        page = None if message is None else public_copy(message, links, gone)
        if page is None:
            raise HTTPException(404)
        return HTMLResponse(page, headers=_MAILED)

    def listed(self, limit: int, before: int | None = None, *, speak: str | None = None) -> list[dict[str, Any]]:
        """The newest public issues, as templates show them."""
        if not self._digests:
            return []
        settings = self._services.settings
        with self._services.database.read() as session:
            found = shown_issues(session, self._digests, limit=limit, before=before)
            gone = taken_back(session, [issue.id for issue in found], widest=True)

        def subject(issue: ShownIssue) -> str:
            # A subject is made of the first title; of an article that was taken back, it says nothing any more.
            tells = any(article.title in issue.subject for article in gone.get(issue.id, []))
            return "" if tells else issue.subject

        return [
            {
                "id": issue.id,
                "title": subject(issue) or settings.digest_title(issue.digest),
                "digest": settings.digest_title(issue.digest),
                "date": self._pages.date(issue.composed_at, speak),
                "url": f"{self._pages.root}/issues/{issue.id}" if issue.readable else "",
            }
            for issue in found
        ]


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdecimal() or not 0 < len(text) <= 10:  # noqa: PLR2004 - digits
        return None
    return int(text) if 0 < int(text) <= _HIGHEST else None
