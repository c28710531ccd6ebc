"""The first page, for everybody: what this is; and the style sheet of all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicate.config.sections import Digest
from syndicate.core.message.headers import parse_mailbox
from syndicate.web.feed_pages import FeedPages
from syndicate.web.issue_pages import IssuePages
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_LATEST = 5  # issues
_OFTEN = {"instant": "as it happens", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}


class PublicPages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages, feeds: FeedPages, issues: IssuePages) -> None:
        self._settings = services.settings
        self._pages = pages
        self._feeds = feeds
        self._issues = issues

    def routes(self) -> list[BaseRoute]:
        """Only GETs."""
        return [
            Route("/", self.landing, methods=["GET"]),
            Route("/static/pages.css", self.style, methods=["GET"]),
        ]

    def landing(self, _request: Request) -> Response:
        """What this is: the digests by name, the feeds, the latest issues."""
        digests = [
            {
                "title": self._settings.digest_title(name),
                "description": digest.description,
                "ask": self._whom_to_ask(digest),
                "often": [] if digest.schedule else [_OFTEN[frequency] for frequency in digest.frequencies],
            }
            for name, digest in self._settings.digest.items()
        ]
        feeds, issues = self._feeds.listed(), self._issues.listed(_LATEST)
        return self._pages.render("landing", public=True, digests=digests, feeds=feeds, issues=issues)

    def _whom_to_ask(self, digest: Digest) -> str:
        """The address that a digest's readers answer to; empty while none is set."""
        delivery = self._settings.delivery
        mailbox = digest.reply_to or delivery.reply_to or digest.from_ or delivery.from_
        return parse_mailbox(mailbox).address if mailbox else ""

    def style(self, _request: Request) -> Response:
        """The style sheet. Its address changes with its content, so it may be kept for ever."""
        headers = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{self._pages.style_tag}"'}
        return Response(self._pages.style, media_type="text/css", headers=headers)
