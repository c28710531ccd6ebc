"""Renders the pages of ``templates/pages``: one frame, one style sheet, nothing from elsewhere, no script or cookie."""

from __future__ import annotations

import hashlib
import html
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date
from starlette.responses import HTMLResponse, Response

from syndicate.config import Settings
from syndicate.core.feeds import alternate_links
from syndicate.core.render.languages import ENGLISH, date_locale, direction, with_region
from syndicate.core.render.templates import PAGES as FOLDER
from syndicate.core.render.templates import TemplateSet
from syndicate.errors import TemplateError
from syndicate.web.errors import Told

log = logging.getLogger(__name__)
STYLE = FOLDER + "pages.css"
# What a link shows is for its reader alone: neither proxies nor search engines keep it.
_PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex, nofollow"}
_PUBLIC = {"cache-control": "public, max-age=60"}
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
        self._zone = ZoneInfo(settings.site.timezone)
        # The pages are in English: as the site's region writes it, else as the country of its zone does.
        self._locale = date_locale(with_region(ENGLISH, settings.site.language), self._zone.key)
        self.style = templates[STYLE].encode()
        self.style_tag = hashlib.sha256(self.style).hexdigest()[:16]
        # Behind a proxy the service may live below a path of its host; links start there, the host is the reader's.
        self.root = urlsplit(settings.service.public_url).path.rstrip("/")
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
            "style": f"{self.root}/static/pages.css?v={self.style_tag}",
            "alternates": alternate_links(settings),
        }

    def render(self, page: str, /, *, status: int = 200, public: bool = False, **values: Any) -> Response:
        """One page as a response. ``public``: it holds nothing of a reader.

        Raises TemplateError with the template's name and line.
        """
        render = self._templates.renderer(
            {**self._frame, **values}, language=self._frame["site"]["language"], zone=self._zone
        )
        page_html = render(f"{FOLDER}{page}.html")
        return HTMLResponse(page_html, status_code=status, headers=_PUBLIC if public else _PRIVATE)

    def date(self, moment: datetime) -> str:
        """The day of a moment, where the site is."""
        return format_date(moment.astimezone(self._zone).date(), "long", locale=self._locale)

    def error(self, told: Told) -> Response:
        """The page of an error."""
        try:
            response = self.render("error", status=told.status, title=told.title, text=told.text)
        except TemplateError as error:
            log.error("the page of an error could not be shown: %s", error)
            bare = _BARE.format(title=html.escape(told.title), text=html.escape(told.text))
            response = HTMLResponse(bare, status_code=told.status, headers=_PRIVATE)
        if told.status == 503:  # noqa: PLR2004 - Service Unavailable
            response.headers["retry-after"] = "30"
        return response
