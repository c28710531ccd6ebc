"""From one item of a source to the content of an article: every field read, cleaned and checked.

What is missing gets the source's defaults; what cannot be taken is an ArticleError that says which field and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from syndicate.config.sections import Site
from syndicate.config.sources import SourceBase
from syndicate.core.article.attachments import read_attachments
from syndicate.core.article.body import first_heading, render_body, summarise, without_title
from syndicate.core.article.fields import (
    first,
    read_count,
    read_expiry,
    read_flag,
    read_language,
    read_line,
    read_names,
    read_number,
    read_text,
    read_time,
    shown,
)
from syndicate.core.article.nesting import NestingError, bare_text
from syndicate.core.article.sanitise import absolute, sanitise
from syndicate.core.article.text import clean_line, clean_text, cut_text
from syndicate.core.article.unread import unread_fields
from syndicate.errors import ArticleError
from syndicate.model import ArticleContent, ArticleKind, SourceItem

MAX_KEY = 500  # an id stands in unique indexes, whose entries PostgreSQL limits to 2,700 bytes
MAX_LINE = 1000  # a title or the description of a picture
MAX_SUMMARY = 2000
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleDefaults:
    """What articles have that say nothing themselves. ``base`` is what relative addresses start from."""

    publisher: str | None = None
    language: str | None = None
    zone: ZoneInfo = _UTC
    base: str | None = None
    max_size: int = 10_000_000  # bytes of the body

    @classmethod
    def of(cls, site: Site, source: SourceBase) -> ArticleDefaults:
        """Take them from the source's section of the configuration, else from the site's."""
        return cls(
            publisher=source.publisher or site.publisher or site.title or None,
            language=read_language(source.language or site.language, "language"),
            zone=ZoneInfo(source.timezone or site.timezone),
            # The slash: a site that lives in a folder ("https://x.example/paper") must keep it when addresses are
            # joined.
            base=f"{site.url}/" if site.url else None,
            max_size=source.max_article_size,
        )


def _nobody(_remark: str) -> None:
    """For who wants no remarks."""


def normalise(item: SourceItem, defaults: ArticleDefaults, remark: Callable[[str], None] = _nobody) -> ArticleContent:
    """Read one item as an article. Times without a zone are in the defaults' zone; the result's are UTC.

    ``remark`` gets what was taken otherwise than it was perhaps meant: a misspelt field, a text without its form.
    Raises ArticleError: too large, no title, no usable id, an address, date, number or word that makes no sense.
    """
    if item.error is not None:
        raise ArticleError(item.error)
    _check_size(item.body, defaults.max_size)
    fields = _fields(item.fields)
    for hint in unread_fields(fields):
        remark(hint)
    url = _url(fields, defaults.base)
    base = url or defaults.base
    body = clean_text(item.body)
    html = _html(body, item.format, base, remark)
    title = read_line(first(fields, "title"), "title", limit=MAX_LINE) or cut_text(first_heading(html), MAX_LINE)
    if not title:
        raise ArticleError("it has no title: give it one in its front matter or column, or as its first heading")
    html = without_title(html, title)
    summary = cut_text(clean_line(read_text(first(fields, "summary"), "summary")), MAX_SUMMARY) or summarise(html)
    published_at = read_time(first(fields, "published_at", "date"), "date", defaults.zone)
    return ArticleContent(
        key=_key(fields, item.item),
        title=title,
        url=url,
        html=html,
        markdown=body if item.format == "markdown" else None,
        summary=summary,
        authors=read_names(first(fields, "authors", "author"), "author"),
        publisher=read_line(first(fields, "publisher"), "publisher") or defaults.publisher,
        category=read_line(first(fields, "category"), "category") or None,
        tags=read_names(first(fields, "tags"), "tags", split_commas=True),
        language=read_language(first(fields, "language"), "language") or defaults.language,
        published_at=published_at,
        updated_at=read_time(first(fields, "updated_at", "updated"), "updated", defaults.zone),
        expires_at=read_expiry(first(fields, "expires_at", "expires"), "expires", defaults.zone),
        withdrawn=read_flag(first(fields, "withdrawn"), "withdrawn"),
        pinned=read_flag(first(fields, "pinned"), "pinned"),
        kind=_kind(fields),
        # A picture or a discussion that cannot be reached is left out: the text is worth more than either.
        image=absolute(read_text(first(fields, "image"), "image"), base),
        image_alt=read_line(first(fields, "image_alt"), "image_alt", limit=MAX_LINE),
        comments=_comments(fields),
        comments_url=absolute(read_text(first(fields, "comments_url"), "comments_url"), base),
        comments_feed=absolute(read_text(first(fields, "comments_feed"), "comments_feed"), base),
        attachments=read_attachments(first(fields, "attachments", "enclosures"), base),
        popularity=read_number(first(fields, "popularity"), "popularity"),
    )


def _html(body: str, form: str, base: str | None, remark: Callable[[str], None]) -> str:
    rendered = render_body(body, form)
    try:
        return sanitise(rendered, base)
    except NestingError as error:
        remark(f"{error}; it was taken as plain text, without its form")
        return sanitise(render_body(bare_text(rendered), "text"), base)


def shifted(content: ArticleContent, by: timedelta) -> ArticleContent:
    """Move all dates of an article: the demo lays its samples before its first run.

    Raises ArticleError for what would lie outside the calendar.
    """
    if not by:
        return content

    def move(time: datetime | None) -> datetime | None:
        return None if time is None else time + by

    try:
        return replace(
            content,
            published_at=move(content.published_at),
            updated_at=move(content.updated_at),
            expires_at=move(content.expires_at),
        )
    except OverflowError as error:
        raise ArticleError(f"its dates cannot be moved by {by}") from error


def _check_size(body: str, limit: int) -> None:
    # A character takes at most four bytes: the exact size is counted only where it matters.
    size = len(body) if len(body) > limit or len(body) * 4 <= limit else len(body.encode("utf-8", "surrogatepass"))
    if size > limit:
        raise ArticleError(
            f"it has {size:,} bytes; more than {limit:,} are not taken (max_article_size of the source raises that)"
        )


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Front matter is written by people: ``Image-Alt`` is ``image_alt``."""
    return {name.strip().lower().replace("-", "_"): value for name, value in given.items() if isinstance(name, str)}


def _key(fields: Mapping[str, Any], item: str) -> str:
    given = read_line(first(fields, "id"), "id", limit=MAX_KEY)
    if given:
        return given
    folder, slash, name = item.rpartition("/")
    key = clean_line(folder + slash + (name.rpartition(".")[0] or name))
    if not key or len(key) > MAX_KEY:
        raise ArticleError(f"its path is no usable id ({shown(item)}): give it an id of at most {MAX_KEY} characters")
    return key


def _url(fields: Mapping[str, Any], base: str | None) -> str | None:
    """Read the article's own address: one that leads nowhere would be every reader's, so it is an error."""
    value = first(fields, "url")
    text = read_text(value, "url").strip()
    if not text:
        return None
    url = absolute(text, base)
    if url is None:
        advice = "" if base else "; relative ones need [site] url"
        raise ArticleError(
            f'url: expected an address such as "https://courier.example/port/ferry", not {shown(value)}{advice}'
        )
    return url


def _kind(fields: Mapping[str, Any]) -> ArticleKind:
    word = read_line(first(fields, "kind"), "kind").casefold()
    try:
        return ArticleKind(word or ArticleKind.ARTICLE)
    except ValueError:
        known = ", ".join(ArticleKind)
        raise ArticleError(f"kind: expected one of {known}, not {shown(word)}") from None


def _comments(fields: Mapping[str, Any]) -> int | None:
    value = first(fields, "comments")
    # "comments: true" is how several site generators switch a discussion on; it counts nothing.
    return None if isinstance(value, bool) else read_count(value, "comments")
