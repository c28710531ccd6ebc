"""What templates see of an edition: plain dictionaries, lists, texts and dates, nothing with behaviour of ours."""

from __future__ import annotations

from typing import Any

from babel.lists import format_list

from syndicate.config.sections import Site
from syndicate.core.article.body import summarise
from syndicate.core.article.markdown import render_markdown
from syndicate.core.article.sanitise import sanitise
from syndicate.core.article.text import cut_text
from syndicate.core.render.article_text import mail_html, reading_text
from syndicate.core.render.languages import direction, locale_of
from syndicate.core.render.web_addresses import mail_image, safe_url
from syndicate.model import Article

PREHEADER = 130  # what inboxes show beside the subject, at most


def site_context(site: Site) -> dict[str, str]:
    return {
        "title": site.title,
        "url": safe_url(site.url),
        "description": site.description,
        "language": site.language,
        "publisher": site.publisher or site.title,
        "postal_address": site.postal_address,
    }


def article_context(article: Article, language: str, site: Site, *, heading_level: int) -> dict[str, Any]:
    """One article; ``language`` is the edition's, for names. ``publisher`` is empty where it is the site itself.

    An article that does not say its language is in the site's, whatever the edition's may be.
    """
    content = article.content
    own = content.language or site.language
    return {
        "title": content.title,
        "url": safe_url(content.url),
        "summary": content.summary or summarise(content.html),
        "html": mail_html(content.html, heading_level=heading_level),
        "text": reading_text(content.html),
        "authors": list(content.authors),
        "author": str(format_list(list(content.authors), locale=locale_of(language))) if content.authors else "",
        "publisher": content.publisher if content.publisher not in {site.title, site.publisher, None} else "",
        "category": content.category or "",
        "tags": list(content.tags),
        "language": own,
        "dir": direction(own),
        "date": article.published_at,
        "updated": article.updated_at,
        "kind": content.kind.value,
        "image": mail_image(content.image),
        "image_alt": content.image_alt,
        "pinned": content.pinned,
        "comments": content.comments,
        "comments_url": safe_url(content.comments_url),
    }


def intro_context(markdown: str, site: Site) -> dict[str, Any] | None:
    """An editor's words before the articles, as HTML and as text for reading; None when there are none."""
    html = sanitise(render_markdown(markdown), site.url or None) if markdown.strip() else ""
    text = reading_text(html)
    return {"html": mail_html(html, heading_level=1), "text": text} if text else None


def sections_of(articles: list[dict[str, Any]], more: str) -> list[dict[str, Any]]:
    """The articles by category, in the order in which categories first appear.

    With one category there is one section without a title; articles without a category come last under ``more``.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    titles: dict[str, str] = {}
    for article in articles:
        key = article["category"].casefold()
        titles.setdefault(key, article["category"])
        groups.setdefault(key, []).append(article)
    if len(groups) == 1:
        return [{"title": "", "articles": articles}]
    rest = groups.pop("", [])
    sections = [
        {"title": titles[key][:1].upper() + titles[key][1:], "articles": group} for key, group in groups.items()
    ]
    return [*sections, {"title": more, "articles": rest}] if rest else sections


def preheader_of(articles: list[dict[str, Any]], headlines: list[dict[str, Any]]) -> str:
    """What an inbox shows after the subject: the top article's summary, then further titles; at most 130 characters."""
    parts = [articles[0]["summary"] or articles[0]["title"], *(other["title"] for other in [*articles[1:], *headlines])]
    return cut_text(" \u00b7 ".join(" ".join(part.split()) for part in parts[:4] if part), PREHEADER)
