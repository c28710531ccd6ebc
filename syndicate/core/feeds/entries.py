"""How an article becomes an entry of a feed: which author, language, picture and address it shows there.

What no valid document can hold (RFC 4287, XML 1.0) is left out here, once, so that all formats hold the same entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from html import escape, unescape
from typing import Any, NamedTuple

from syndicate.config.sections import Site
from syndicate.core.article.markdown import is_portable
from syndicate.core.feeds.media_types import file_type, picture_type
from syndicate.core.feeds.uris import is_uri, web_address
from syndicate.model import Article, ArticleContent, ArticleKind, Attachment, ItemProblem

# All but XML 1.0 (fifth edition) production 2, Char. Lone surrogates are among them: UTF-8 cannot hold those either.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# In sanitised HTML attribute values stand in double quotes.
_IMAGE_TAG = re.compile(r"<img\s[^>]*>")
_ATTRIBUTE = re.compile(r'\s(src|width|height)="([^"]*)"')
_MAIL = re.compile(r"[<(]?(?:mailto:)?[^\s<>()@]+@[^\s<>()@]+\.[^\s<>()@]+[>)]?")
_PIXELS = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The picture of an entry. ``media_type`` is read off the address's suffix, None when that says nothing.

    Its size in pixels is known where the body shows it with one.
    """

    url: str
    alt: str
    media_type: str | None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another text about the same thing: an absolute address, and its title as plain text."""

    url: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One article in a feed. Times are UTC, whole seconds; ``updated`` equals ``published`` until an edit.

    ``language`` is None where it is the feed's. ``html`` and ``markdown`` are empty in a feed of summaries. The fields
    of comments are None where there are no comments; their number may be unknown.
    """

    id: str
    title: str
    url: str | None
    published: datetime
    updated: datetime
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    summary: str
    html: str
    language: str | None
    image: Image | None
    kind: ArticleKind
    markdown: str | None = None
    comments_url: str | None = None
    comments_count: int | None = None
    comments_feed: str | None = None
    attachments: tuple[Attachment, ...] = ()
    related: tuple[Related, ...] = ()

    @property
    def edited(self) -> bool:
        return self.updated > self.published


class _House(NamedTuple):
    """What an entry depends on beside its article: whose site it stands on."""

    publisher: str
    title: str
    language: str


def entries_of(
    articles: Iterable[Article], *, site: Site, language: str, full: bool, again: bool = False
) -> tuple[tuple[FeedEntry, ...], tuple[ItemProblem, ...]]:
    """Turn articles into entries, newest first, and name those that were left out with the reason.

    The order is by first publication, so an edit lets nothing jump up. Ties are broken by the permanent id: it is the
    same on every machine, and a sequence number is not. ``again``: most of them were asked for before, as in a window.
    """
    house = _House(site.publisher, site.title, site.language)
    make = _entry if again else _entry.__wrapped__
    entries: list[FeedEntry] = []
    problems: list[ItemProblem] = []
    taken: set[str] = set()
    for article in sorted(articles, key=lambda article: (article.published_at, article.uid), reverse=True):
        entry, reason = make(article, house, language, full)
        if entry.id in taken:
            reason = f"another article has the same id {entry.id}"
        if reason:
            problems.append(ItemProblem(item=article.uid, error=reason))
        else:
            taken.add(entry.id)
            entries.append(entry)
    return tuple(entries), tuple(problems)


# Of the 50 entries of a window one is new; that the others are the same objects saves their writers a comparison too.
@lru_cache(maxsize=1024)
def _entry(article: Article, house: _House, language: str, full: bool) -> tuple[FeedEntry, str | None]:
    """The entry of an article, and the reason why no document can hold it, if there is one."""
    content = article.content
    published = _whole_seconds(article.published_at)
    updated = _whole_seconds(article.updated_at) if article.updated_at else published
    picture = _image(content.image, content.image_alt, content.html)
    entry = FeedEntry(
        id=article.uid,
        title=_line(content.title),
        url=web_address(content.url),
        published=published,
        updated=max(published, updated),
        # A text of another house that names no author must not appear as the site's own.
        authors=_distinct([without_mail(author) for author in content.authors])
        or _other_publisher(content.publisher, house),
        categories=_distinct([content.category, *content.tags]),
        summary=content.summary.strip(),
        html=_with_image(content.html, picture) if full else "",
        language=_other_language(content.language or house.language, language),
        image=picture,
        kind=content.kind,
        markdown=_markdown(content.markdown) if full else None,
        **_comments(content),
        attachments=_attachments(content.attachments),
    )
    return entry, _reason_against(entry)


def _markdown(text: str | None) -> str | None:
    # It goes out as its author wrote it, and who shows it may neither sanitise it nor know what it is relative to.
    return text if text and not text.isspace() and is_portable(text) else None


def _image(address: str | None, alt: str, html: str) -> Image | None:
    url = web_address(address)
    if url is None:
        return None
    width, height = _shown_size(html, url)
    return Image(url=url, alt=_line(alt), media_type=picture_type(url), width=width, height=height)


def _shown_size(html: str, url: str) -> tuple[int | None, int | None]:
    """The size of a picture where the body shows it with one. Sanitised HTML has its attributes in double quotes."""
    for tag in _IMAGE_TAG.findall(html) if url in unescape(html) else ():
        attributes = dict(_ATTRIBUTE.findall(tag))
        if unescape(attributes.get("src", "")) == url:
            sizes = [attributes.get(name, "") for name in ("width", "height")]
            if all(_PIXELS.fullmatch(size) for size in sizes):
                return int(sizes[0]), int(sizes[1])
    return None, None


def _comments(content: ArticleContent) -> dict[str, Any]:
    """What is said of a discussion: nothing where there is none to read, also when nobody has said anything yet."""
    url = web_address(content.comments_url)
    if url is None or content.comments == 0:
        return {}
    return {
        "comments_url": url,
        "comments_count": content.comments,
        "comments_feed": web_address(content.comments_feed),
    }


def _attachments(given: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """The files that can be fetched, each once, with the type that every format requires."""
    found: dict[str, Attachment] = {}
    for attachment in given:
        url = web_address(attachment.url)
        if url is None:
            continue
        length = attachment.length if attachment.length and attachment.length > 0 else None
        found.setdefault(url, Attachment(url=url, type=file_type(attachment.type, url), length=length))
    return tuple(found.values())


def _with_image(html: str, image: Image | None) -> str:
    """The body with the picture in front, unless it shows it already: most readers show only what is in the body."""
    if not html or image is None or image.url in html or escape(image.url) in html:
        return html
    return f'<p><img src="{escape(image.url)}" alt="{escape(image.alt)}"></p>\n{html}'


def _other_publisher(publisher: str | None, house: _House) -> tuple[str, ...]:
    return (publisher,) if publisher and publisher not in {house.publisher, house.title} else ()


def without_mail(author: str) -> str:
    """The name of an author without a mail address, which a feed would show to everybody: nothing if there is no more.

    Both "Ines Hale <ines@courier.example>" and RSS's own "ines@courier.example (Ines Hale)" are taken.
    """
    if "@" not in author:
        return author
    rest = _line(_MAIL.sub(" ", author))
    return rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest


def _other_language(own: str, feed: str) -> str | None:
    """The entry's language where it differs from the feed's; what is no tag of BCP 47 says nothing."""
    return own if own.casefold() != feed.casefold() and _LANGUAGE.fullmatch(own) else None


def _distinct(terms: Sequence[str | None]) -> tuple[str, ...]:
    """The terms without blank ones and without repetitions in another case; the first spelling stays."""
    kept: dict[str, str] = {}
    for term in terms:
        line = _line(term or "")
        if line:
            kept.setdefault(line.casefold(), line)
    return tuple(kept.values())


def _line(text: str) -> str:
    return " ".join(text.split())


def _whole_seconds(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


def _reason_against(entry: FeedEntry) -> str | None:
    """Why no valid document can hold an entry, or None. Ingest cleans; this keeps one article from stopping a feed."""
    for field, text in _texts(entry):
        found = _FORBIDDEN.search(text)
        if found:
            return (
                f"{field} holds the character U+{ord(found[0]):04X}, which no feed may hold; remove it from the article"
            )
    if not is_uri(entry.id):
        return f"{entry.id!r} is no permanent id (a tag: URI, RFC 4151)"
    if not entry.title:
        return "it has no title"
    return None


def _texts(entry: FeedEntry) -> Iterator[tuple[str, str]]:
    yield "id", entry.id
    yield "title", entry.title
    yield "summary", entry.summary
    yield "html", entry.html
    yield "markdown", entry.markdown or ""
    yield "image_alt", entry.image.alt if entry.image else ""
    yield from (("author", author) for author in entry.authors)
    yield from (("category", category) for category in entry.categories)
