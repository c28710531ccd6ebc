"""What the API takes and gives of articles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from syndicate.model import ArticleKind
from syndicate.web.api.models import TEXT, Answer, GivenTime, Line, Request, Text, Time, Word


class AttachmentIn(Request):
    url: Line
    type: Line | None = None
    length: int | None = Field(default=None, ge=0, le=2**53)


class ArticleFields(Request):
    title: Annotated[
        str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
    ]
    url: Line | None = None
    html: Text | None = Field(default=None, description="The body: html, markdown or text, one of them.")
    markdown: Text | None = None
    text: Text | None = None
    summary: Annotated[str, StringConstraints(max_length=10_000, pattern=TEXT)] | None = None
    authors: list[Word] | None = Field(default=None, max_length=50)
    publisher: Line | None = None
    category: Line | None = None
    tags: list[Word] | None = Field(default=None, max_length=100)
    language: Line | None = None
    published_at: GivenTime | None = Field(default=None, description="In the future: it waits until then.")
    updated_at: GivenTime | None = None
    expires_at: GivenTime | None = None
    pinned: bool | None = None
    kind: Literal["article", "column", "notice", "correction"] | None = None
    image: Line | None = None
    image_alt: Line | None = None
    comments: int | None = Field(default=None, ge=0, le=2**31 - 1)
    comments_url: Line | None = None
    comments_feed: Line | None = None
    attachments: list[AttachmentIn] | None = Field(default=None, max_length=50)
    popularity: float | None = None


class NewArticle(ArticleFields):
    id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x20\x7f]+$")] | None = Field(
        default=None, description="What you call it; without one we make it."
    )


class ArticleLine(Answer):
    source: str
    id: str
    uid: str
    title: str
    url: str | None
    summary: str
    authors: list[str]
    publisher: str | None
    category: str | None
    tags: list[str]
    language: str | None
    kind: ArticleKind
    pinned: bool
    version: int
    published_at: Time
    updated_at: Time | None
    expires_at: Time | None
    withdrawn_at: Time | None


class AttachmentOut(Answer):
    url: str
    type: str
    length: int | None


class ArticleOut(ArticleLine):
    html: str
    image: str | None
    image_alt: str
    comments: int | None
    comments_url: str | None
    comments_feed: str | None
    attachments: list[AttachmentOut]
    popularity: float | None
    remarks: list[str] = Field(description="What was taken otherwise than it was perhaps meant.")


class Articles(Answer):
    articles: list[ArticleLine]
    next: str | None
