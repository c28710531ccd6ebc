"""The first page, for everybody: what this is; the style sheet and scripts of all pages; the form for other sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicate.config.sections import Digest
from syndicate.core.message.headers import parse_mailbox
from syndicate.web.feed_pages import FeedPages
from syndicate.web.forms import Form
from syndicate.web.issue_pages import IssuePages
from syndicate.web.pages import Pages
from syndicate.web.signup import OPEN, Signup

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_LATEST = 5  # issues
_SCRIPT = "text/javascript; charset=utf-8"


class PublicPages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages, feeds: FeedPages, issues: IssuePages, signup: Signup) -> None:
        self._settings = services.settings
        self._pages = pages
        self._feeds = feeds
        self._issues = issues
        self._signup = signup

    def routes(self) -> list[BaseRoute]:
        """Only GETs."""
        return [
            Route("/", self.landing, methods=["GET"]),
            *(route for each in self._pages.static.values() for route in each.routes()),
            *(
                [
                    Route("/embed", self.embed, methods=["GET"]),
                    Route("/subscribe/embed.js", self.embed_script, methods=["GET"]),
                ]
                if self._signup.on_offer
                else []
            ),
        ]

    def landing(self, request: Request) -> Response:
        """What this is: the form, or the digests by name where there is none; the latest issues, the feeds."""
        speak = self._pages.language(request)
        names = list(self._settings.digest)
        offer = self._signup.on_offer
        form = self._signup.form(speak, place="landing", digests=names, values=Form.empty()) if offer else None
        digests = [
            {
                "title": self._settings.digest_title(name),
                "description": digest.description,
                "ask": self._whom_to_ask(digest),
                "often": []
                if digest.schedule
                else [self._pages.word(speak, f"often_each_{frequency}") for frequency in digest.frequencies],
            }
            for name, digest in self._settings.digest.items()
        ]
        feeds, issues = self._feeds.listed(), self._issues.listed(_LATEST, speak=speak)
        values: dict[str, Any] = {"form": form, "digests": digests, "feeds": feeds, "issues": issues}
        return self._pages.render("landing", public=True, speak=speak, **values)

    def embed(self, request: Request) -> Response:
        """How publishers put the form on their own site."""
        speak = self._pages.language(request)
        return self._pages.render("embed", public=True, speak=speak, digests=self._signup.snippets())

    def _whom_to_ask(self, digest: Digest) -> str:
        """The address that a digest's readers answer to; empty while none is set."""
        delivery = self._settings.delivery
        mailbox = digest.reply_to or delivery.reply_to or digest.from_ or delivery.from_
        return parse_mailbox(mailbox).address if mailbox else ""

    def embed_script(self, _request: Request) -> Response:
        """The script for other sites: its address stays, so it is asked for anew every hour."""
        headers = {**OPEN, "cache-control": "public, max-age=3600"}
        return Response(self._pages.embed_script, media_type=_SCRIPT, headers=headers)
