"""Articles: handed in, changed, withdrawn (sources of type push), listed and shown (all sources)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.api_scopes import PUSH, may_push
from syndicate.errors import UnknownNameError
from syndicate.model import Article
from syndicate.service import pushing
from syndicate.service.wiring import Services
from syndicate.store.listings import article_of, articles_page
from syndicate.web.api.article_models import ArticleFields, ArticleOut, Articles, NewArticle
from syndicate.web.api.once import IdempotencyKey, once
from syndicate.web.api.operations import Cursor, Limit, answer, operation, page, read_cursor, token_of, write_cursor
from syndicate.web.api.problems import FORBIDDEN, INVALID, ProblemError

Source = Annotated[
    str, Path(min_length=1, max_length=100, pattern=r"^[^/\x00-\x20\x7f]+$", description="[source.NAME]")
]
Key = Annotated[
    str, Path(min_length=1, max_length=500, pattern=r"^[^\x00-\x20\x7f]+$", description="The article's id.")
]
_BODIES = ("html", "markdown", "text")
_NAMESPACE = uuid.UUID("6f2f4f2a-6a0c-5c8e-9a57-3d1d1f0b8f11")


class ArticleOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        read, write = ["articles:read"], [PUSH]
        operation(router, "GET", "/articles", self.list_articles, scopes=read, model=Articles)
        one = "/articles/{source}/{id:path}"
        operation(
            router,
            "POST",
            "/articles/{source}",
            self.create_article,
            scopes=write,
            model=ArticleOut,
            status=201,
            also=[200],
            problems=[404, 409],
        )
        operation(router, "PUT", one, self.put_article, scopes=write, model=ArticleOut, also=[201], problems=[404])
        operation(router, "GET", one, self.show_article, scopes=read, model=ArticleOut, problems=[404])
        operation(router, "DELETE", one, self.withdraw_article, scopes=write, model=ArticleOut, problems=[404])

    def list_articles(
        self,
        source: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00-\x20\x7f]+$")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List articles. The latest publication comes first; bodies are left out."""
        found = read_cursor(cursor, str, int)
        before = None if found is None else (_time(found[0]), found[1])
        with self._services.database.read() as session:
            entries = articles_page(session, limit=limit, source=source, before=before)
        return page(
            "articles",
            [_line(article) for article in entries],
            limit,
            lambda: write_cursor(entries[-1].published_at.isoformat(), entries[-1].id),
        )

    def create_article(
        self, request: Request, source: Source, body: NewArticle, idempotency_key: IdempotencyKey = None
    ) -> Response:
        """Hand in a new article. Without an `id` it gets one; one that is there is changed (200)."""
        self._may_push(request, source)
        given = body.model_dump(exclude_none=True)

        def work(_began_at: datetime) -> tuple[int, Any]:
            made = f"{token_of(request).id}/{source}/{idempotency_key}"
            chosen = uuid.uuid5(_NAMESPACE, made) if idempotency_key else uuid.uuid4()
            done = pushing.push(self._services, source, *_taken({"id": str(chosen), **given}))
            return (201 if done.added else 200), _document(done.article, done.remarks)

        return once(self._services, request, idempotency_key, given, work)

    def put_article(self, request: Request, source: Source, id: Key, body: ArticleFields) -> Response:  # noqa: A002 - its name in the API
        """Hand in an article under an id. It is made (201) or takes the place of what was there (200)."""
        self._may_push(request, source)
        given = {**body.model_dump(exclude_none=True), "id": id}
        done = pushing.push(self._services, source, *_taken(given))
        return answer(_document(done.article, done.remarks), 201 if done.added else 200)

    def show_article(self, source: Source, id: Key) -> Response:  # noqa: A002 - its name in the API
        """Show an article. Its HTML is as it stands in feeds and mails: cleaned, with absolute addresses."""
        with self._services.database.read() as session:
            article = article_of(session, source, id)
        if article is None:
            raise UnknownNameError("there is no such article")
        return answer(_document(article))

    def withdraw_article(self, request: Request, source: Source, id: Key) -> Response:  # noqa: A002 - its name in the API
        """Withdraw an article. It leaves feeds, drafts and what is queued; a second time changes nothing."""
        self._may_push(request, source)
        return answer(_document(pushing.withdraw(self._services, source, id)))

    def _may_push(self, request: Request, source: str) -> None:
        if not may_push(token_of(request).scopes, source):
            raise ProblemError(FORBIDDEN, f"the token lacks the scope {PUSH}:{source}")


def _taken(given: Mapping[str, Any]) -> tuple[dict[str, Any], str, str]:
    """Fields as of front matter, the body, and its form."""
    bodies = [name for name in _BODIES if name in given]
    if len(bodies) > 1:
        raise ProblemError(INVALID, "expected one body: html, markdown or text")
    fields = {name: value for name, value in given.items() if name not in _BODIES}
    form = bodies[0] if bodies else "html"
    return fields, given.get(form, ""), form


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProblemError(INVALID, "cursor: expected `next` of a page before") from error
    if found.tzinfo is None or not 1 < found.year < 9999:  # noqa: PLR2004 - what can be moved to UTC
        raise ProblemError(INVALID, "cursor: expected `next` of a page before")
    return found


def _line(article: Article) -> dict[str, Any]:
    content = article.content
    return {
        "source": article.source,
        "id": content.key,
        "uid": article.uid,
        "title": content.title,
        "url": content.url,
        "summary": content.summary,
        "authors": list(content.authors),
        "publisher": content.publisher,
        "category": content.category,
        "tags": list(content.tags),
        "language": content.language,
        "kind": content.kind,
        "pinned": content.pinned,
        "version": article.version,
        "published_at": article.published_at,
        "updated_at": article.updated_at,
        "expires_at": content.expires_at,
        "withdrawn_at": article.withdrawn_at,
    }


def _document(article: Article, remarks: tuple[str, ...] = ()) -> dict[str, Any]:
    content = article.content
    return {
        **_line(article),
        "html": content.html,
        "image": content.image,
        "image_alt": content.image_alt,
        "comments": content.comments,
        "comments_url": content.comments_url,
        "comments_feed": content.comments_feed,
        "attachments": [asdict(attachment) for attachment in content.attachments],
        "popularity": content.popularity,
        "remarks": list(remarks),
    }
