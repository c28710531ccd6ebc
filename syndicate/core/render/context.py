"""What templates see of an edition: plain dictionaries, lists, texts and dates, nothing with behaviour of ours."""

from __future__ import annotations

from typing import Any

from babel.lists import format_list
from markupsafe import Markup

from syndicate.config.sections import Site
from syndicate.core.article.body import summarise
from syndicate.core.article.markdown import render_markdown
from syndicate.core.article.sanitise import sanitise
from syndicate.core.article.text import cut_text, first_sentence
from syndicate.core.render.article_text import mail_html
from syndicate.core.render.languages import direction, locale_of
from syndicate.core.render.reading import reading_text
from syndicate.core.render.web_addresses import mail_image, safe_url
from syndicate.model import Article

PREHEADER = 130  # what inboxes show beside the subject, at most
# Beyond these nobody reads on in a mail; the article itself has the rest.
TITLE = 200
NAMES = 160
SUMMARY = 1_000
SENTENCE = 160


class _ArticleValues(dict[str, Any]):
    """An article's values; its whole text is made when a template asks for it, which few do."""

    def __init__(self, values: dict[str, Any], html: str, heading_level: int) -> None:
        super().__init__(values)
        self._html = html
        self._heading_level = heading_level

    def __missing__(self, key: str) -> Any:
        if key == "html":
            self[key] = mail_html(self._html, heading_level=self._heading_level)
        elif key == "text":
            self[key] = reading_text(self._html)
        else:
            raise KeyError(key)
        return self[key]


# What an author reads of a misspelt field: "'article object' has no attribute 'headline'".
_ArticleValues.__name__, _ArticleValues.__module__ = "article", "builtins"


def site_context(site: Site) -> dict[str, str]:
    return {
        "title": site.title,
        "url": safe_url(site.url),
        "description": site.description,
        "language": site.language,
        "publisher": site.publisher or site.title,
        "postal_address": site.postal_address,
    }


def article_context(
    article: Article, language: str, site: Site, *, heading_level: int, number: int = 1, summary_limit: int = SUMMARY
) -> dict[str, Any]:
    """One article; ``language`` is the edition's, for names. ``publisher`` is empty where it is the site itself.

    An article that does not say its language is in the site's, whatever the edition's may be. ``number`` is its place
    in the mail, from 1; ``summary_limit`` counts characters.
    """
    content = article.content
    own = content.language or site.language
    summary = content.summary or summarise(content.html)
    names = str(format_list(list(content.authors), locale=locale_of(language))) if content.authors else ""
    values = {
        "number": number,
        "title": cut_text(content.title, TITLE),
        "url": safe_url(content.url),
        "summary": cut_text(summary, min(summary_limit, SUMMARY)),
        "sentence": first_sentence(summary, min(summary_limit, SENTENCE)),
        "authors": list(content.authors),
        "author": cut_text(names, NAMES),
        "publisher": cut_text(content.publisher, NAMES)
        if content.publisher and content.publisher not in {site.title, site.publisher}
        else "",
        "category": content.category or "",
        "tags": list(content.tags),
        "language": own,
        "dir": direction(own),
        "date": article.published_at,
        "updated": article.updated_at,
        "kind": content.kind.value,
        "image": mail_image(content.image),
        "image_alt": cut_text(content.image_alt, SUMMARY),
        "pinned": content.pinned,
        "comments": content.comments,
        "comments_url": safe_url(content.comments_url),
    }
    return _ArticleValues(values, content.html, heading_level)


def correction_context(article: Article, site: Site) -> dict[str, Any]:
    """An article that the mail's readers have already, and that says something else now."""
    content = article.content
    own = content.language or site.language
    return {
        "title": cut_text(content.title, TITLE),
        "url": safe_url(content.url),
        "text": cut_text(content.summary or summarise(content.html), SENTENCE),
        "updated": article.updated_at,
        "language": own,
        "dir": direction(own),
    }


def intro_html(markdown: str, site: Site) -> Markup:
    """An editor's words before the articles, sanitised; empty when there are none. Raises NestingError."""
    if not markdown.strip():
        return Markup()
    return mail_html(sanitise(render_markdown(markdown), site.url or None), heading_level=1)


def sections_of(articles: list[dict[str, Any]], more: str, *, level: int) -> list[dict[str, Any]]:
    """The articles by category, in the order in which categories first appear.

    With one category there is one section without a title; articles without a category come last under ``more``, but
    pinned ones without it lead, untitled, a heading level above the others' ``level``.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    titles: dict[str, str] = {}
    for article in articles:
        key = article["category"].casefold()
        titles.setdefault(key, article["category"])
        groups.setdefault(key, []).append(article)
    if len(groups) == 1:
        return [{"title": "", "articles": articles, "level": level}]
    lead = [article for article in groups.get("", ()) if article["pinned"]]
    rest = [article for article in groups.pop("", []) if not article["pinned"]]
    sections = [
        {"title": cut_text(_capital(titles[key]), NAMES), "articles": group, "level": level}
        for key, group in groups.items()
    ]
    first = [{"title": "", "articles": lead, "level": level - 1}] if lead else []
    last = [{"title": more, "articles": rest, "level": level}] if rest else []
    return [*first, *sections, *last]


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def preheader_of(articles: list[dict[str, Any]], headlines: list[dict[str, Any]]) -> str:
    """What an inbox shows after the subject: the top article's summary, then further titles; at most 130 characters."""
    parts = [articles[0]["summary"] or articles[0]["title"], *(other["title"] for other in [*articles[1:], *headlines])]
    return cut_text(" \u00b7 ".join(" ".join(part.split()) for part in parts[:4] if part), PREHEADER)
