"""Puts the web part together: routes, what surrounds them, and how errors are told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from syndicate.errors import SyndicateError
from syndicate.service.metrics import Metrics
from syndicate.web.admin import IMPORT, Console
from syndicate.web.api.app import ROOT, make_api
from syndicate.web.callbacks import CALLBACKS, Callbacks
from syndicate.web.errors import FAULT, told, told_status
from syndicate.web.feed_pages import FeedPages
from syndicate.web.feed_server import open_feed_server
from syndicate.web.health import Health
from syndicate.web.hooks import HOOKS, HookEndpoint
from syndicate.web.hosts import Hosts
from syndicate.web.issue_pages import IssuePages
from syndicate.web.landing import PublicPages
from syndicate.web.members import MemberPages
from syndicate.web.metrics import MetricsPage, Timed
from syndicate.web.own_data import OwnData
from syndicate.web.pages import Pages
from syndicate.web.privacy import PrivacyPage
from syndicate.web.proxies import TrustedProxies
from syndicate.web.request_ids import RequestIds
from syndicate.web.security import BodyLimit, SecurityHeaders
from syndicate.web.signup import Signup
from syndicate.web.websub import HubEndpoint

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

log = logging.getLogger(__name__)
_OURS = 500


def make_app(services: Services, *, pictures: Path | None = None) -> ASGIApp:
    """The web application over one configuration's services. ``pictures``: a folder to show at ``/media/``."""
    pages = Pages(services.settings, services.templates)
    feeds = FeedPages(services, pages)
    issues = IssuePages(services, pages, feeds)
    signup = Signup(services, pages)
    members = MemberPages(services, pages)

    def expected(request: Request, error: Exception) -> Response:
        answer = told(error)
        if answer.status >= _OURS:
            # The path is left out: it holds a reader's token.
            log.error("a page could not be shown: %s", error)
        return pages.error(answer, request)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        response = pages.error(told_status(error.status_code), request)
        response.headers.update(error.headers or {})
        return response

    def fault(request: Request, _error: Exception) -> Response:
        return pages.error(FAULT, request)  # Starlette raises the error again for the server's log

    metrics = Metrics(services)
    routes = [
        *PublicPages(services, pages, feeds, issues, signup).routes(),
        *signup.routes(),
        *PrivacyPage(services, pages).routes(),
        *feeds.routes(),
        *issues.routes(),
        *members.routes(),
        *OwnData(services, pages, members).routes(),
        *HubEndpoint(services).routes(),
        *Callbacks(services).routes(),
        *HookEndpoint(services).routes(),
        *Health(services).routes(),
        *MetricsPage(services, metrics).routes(),
        *Console(services).routes(),
        *([Mount("/media", StaticFiles(directory=pictures))] if pictures else []),
    ]
    application = Starlette(
        routes=routes,
        middleware=[Middleware(BodyLimit, elsewhere=(CALLBACKS, HOOKS, IMPORT))],
        exception_handlers={SyndicateError: expected, HTTPException: refused, Exception: fault},
    )
    # Around everything that is a page, so that the one of an unexpected error has the headers as well. Feeds come
    # before all of it: router and middleware would cost four times what the answer itself does.
    proxies = TrustedProxies(services.settings.service.trusted_proxies)
    service = services.settings.service
    api = make_api(services, pages.style)
    answering = Hosts(_Either(api, application), service.public_url, service.allowed_hosts)
    secured = SecurityHeaders(Timed(answering, metrics, routes), https=service.public_url.startswith("https://"))
    return open_feed_server(services, RequestIds(proxies.around(secured), proxies), pages.root, proxies)


class _Either:
    """The API for its paths, the pages for all others."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(f"{ROOT}/")
        await (self._api if ours else self._pages)(scope, receive, send)
