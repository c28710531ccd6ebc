"""Puts the API together: operations, their problems, the OpenAPI document and the page that shows it."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp

from syndicate import __version__
from syndicate.config.sources import PushSource
from syndicate.service.tokens import known_token
from syndicate.service.wiring import Services
from syndicate.web.api.articles import ArticleOperations
from syndicate.web.api.docs_page import docs_page
from syndicate.web.api.drafts import DraftOperations
from syndicate.web.api.gate import BODY_LIMIT, Gate
from syndicate.web.api.issues import IssueOperations
from syndicate.web.api.operations import add_problem_schema
from syndicate.web.api.problems import register
from syndicate.web.api.standing import StandingOperations
from syndicate.web.api.subscribers import SubscriberOperations
from syndicate.web.api.suppressions import SuppressionOperations

ROOT = "/api"
_ABOUT = (
    "Articles, readers, suppressions, issues and feeds of one publisher. Send `Authorization: Bearer TOKEN`; lists "
    "come in pages (`limit`, `cursor`, `next`); errors are problem details (RFC 9457)."
)


def make_api(services: Services, stylesheet: str) -> ASGIApp:
    """The API over a configuration's services, for every path that begins with ``/api``."""
    app = build(services)
    schema = app.openapi()
    html = docs_page(schema, stylesheet)

    async def document(_request: Request) -> Response:
        return JSONResponse(schema, headers={"cache-control": "public, max-age=300"})

    async def docs(_request: Request) -> Response:
        return HTMLResponse(html, headers={"cache-control": "public, max-age=300"})

    app.add_route(f"{ROOT}/openapi.json", document, methods=["GET"], include_in_schema=False)
    app.add_route(f"{ROOT}/docs", docs, methods=["GET"], include_in_schema=False)
    api = services.settings.api
    sizes = [each.max_article_size for each in services.settings.source.values() if isinstance(each, PushSource)]
    return Gate(
        app,
        partial(known_token, services),
        rate=api.rate,
        article_bytes=max(sizes, default=BODY_LIMIT),
        origins=api.cors_origins,
    )


def build(services: Services) -> FastAPI:
    """The application without its gate."""
    app = FastAPI(
        title=f"{services.settings.site.title or 'Syndicate'}: API",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    router = APIRouter(prefix=f"{ROOT}/v1")
    for operations in (
        ArticleOperations(services),
        SubscriberOperations(services),
        SuppressionOperations(services),
        IssueOperations(services),
        DraftOperations(services),
        StandingOperations(services),
    ):
        operations.add_to(router)
    app.include_router(router)
    register(app)
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        add_problem_schema(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app
