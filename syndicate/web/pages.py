"""Renders the pages of ``templates/pages``: one frame, one style sheet, nothing from elsewhere, no cookie.

Their words stand in ``templates/pages/words``, by language: the reader's own, else the browser's, else the paper's.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from syndicate.config import Settings
from syndicate.core.feeds import alternate_links
from syndicate.core.render.accept_language import preferred
from syndicate.core.render.languages import date_locale, direction, fallback_chain, with_region
from syndicate.core.render.templates import PAGES as FOLDER
from syndicate.core.render.templates import TemplateSet
from syndicate.core.render.words import PAGE_FOLDER as WORDS
from syndicate.core.render.words import Word, read_catalogues, words_for
from syndicate.errors import TemplateError
from syndicate.web.errors import Told
from syndicate.web.static_files import StaticFile

log = logging.getLogger(__name__)
# What a link shows is for its reader alone: neither proxies nor search engines keep it.
_PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex, nofollow"}
_PUBLIC = {"cache-control": "public, max-age=60", "vary": "Accept-Language"}
# For when the template of the error page is what is broken.
_BARE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{text}</p>
"""


class Pages:
    """The templates of one service, compiled. Operators' own templates are taken in when the process starts."""

    def __init__(self, settings: Settings, templates: Mapping[str, str]) -> None:
        self._templates = TemplateSet({name: text for name, text in templates.items() if name.startswith(FOLDER)})
        self._catalogues = read_catalogues(templates, WORDS)
        self._words: dict[str, Mapping[str, Word]] = {}
        self._site_language = settings.site.language
        self._zone = ZoneInfo(settings.site.timezone)
        self.static = {
            name: StaticFile(name, templates[f"{FOLDER}{name}"].encode()) for name in ("pages.css", "pages.js")
        }
        self.embed_script = templates[f"{FOLDER}embed.js"].encode()
        # Behind a proxy the service may live below a path of its host; links start there, the host is the reader's.
        self.root = urlsplit(settings.service.public_url).path.rstrip("/")
        self.style = f"{self.root}{self.static['pages.css'].path}"
        self.script = f"{self.root}{self.static['pages.js'].path}"
        site = settings.site
        self._frame: dict[str, Any] = {
            "site": {
                "title": site.title or "Syndicate",
                "url": site.url,
                "description": site.description,
                "language": site.language,
                "dir": direction(site.language),
                "publisher": site.publisher,
                "postal_address": site.postal_address,
            },
            "root": self.root,
            "script": self.script,
            "style": self.style,
            "alternates": alternate_links(settings),
            "say": say,
        }

    @property
    def languages(self) -> list[str]:
        """The tags that the pages have words for."""
        return sorted(self._catalogues)

    def language(self, request: Request, own: str | None = None) -> str:
        """The language of a page: what the reader chose, what the browser asks for, what the paper is in."""
        for tag in fallback_chain(own)[:-1] if own else ():
            if tag in self._catalogues:
                return tag
        if own and own.lower() == "en":
            return "en"
        asked = preferred(request.headers.get("accept-language", ""), self._catalogues)
        return asked or str(self.words(self._site_language)["language"])

    def words(self, language: str) -> Mapping[str, Word]:
        """The words of the pages in a language, gaps filled with the site's and with English."""
        if language not in self._words:
            words = words_for(self._catalogues, language, self._site_language)
            if len(self._words) > len(self._catalogues):
                return words
            self._words[language] = words
        return self._words[language]

    def word(self, language: str, key: str) -> str:
        """One word."""
        return str(self.words(language)[key])

    def render(
        self, page: str, /, *, status: int = 200, public: bool = False, speak: str | None = None, **values: Any
    ) -> Response:
        """One page as a response, in the language ``speak``. ``public``: it holds nothing of a reader.

        Raises TemplateError with the template's name and line.
        """
        words = self.words(speak or self._site_language)
        render = self._templates.renderer(
            {**self._frame, "words": words, **values}, language=str(words["language"]), zone=self._zone
        )
        page_html = render(f"{FOLDER}{page}.html")
        return HTMLResponse(page_html, status_code=status, headers=_PUBLIC if public else _PRIVATE)

    def date(self, moment: datetime, language: str | None = None, zone: ZoneInfo | None = None) -> str:
        """The day of a moment, where the site is, as a language writes it."""
        tag = str(self.words(language or self._site_language)["language"])
        locale = date_locale(with_region(tag, self._site_language), self._zone.key)
        return format_date(moment.astimezone(zone or self._zone).date(), "long", locale=locale)

    def error(self, told: Told, request: Request) -> Response:
        """The page of an error."""
        speak = self.language(request)
        words = self.words(speak)
        title = told.title if told.key is None else str(words.get(f"{told.key}_title", told.title))
        text = told.text if told.key is None or told.detail else str(words.get(f"{told.key}_text", told.text))
        try:
            response = self.render("error", status=told.status, speak=speak, title=title, text=text, detail=told.detail)
        except TemplateError as error:
            log.error("the page of an error could not be shown: %s", error)
            bare = _BARE.format(title=html.escape(told.title), text=html.escape(told.text))
            response = HTMLResponse(bare, status_code=told.status, headers=_PRIVATE)
        if told.status == 503:  # noqa: PLR2004 - Service Unavailable
            response.headers["retry-after"] = "30"
        return response


def say(text: str, **values: object) -> Markup:
    """A sentence with what stands in braces put in, each kept apart from the direction of the words around it."""
    found = str(escape(text))
    for name, value in values.items():
        found = found.replace(f"{{{name}}}", f"<bdi>{escape(value)}</bdi>")
    return Markup(found)  # noqa: S704 - all of it was escaped
