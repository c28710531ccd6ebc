"""Renders the pages of ``templates/pages``: one frame, one style sheet, nothing from elsewhere, no script or cookie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from starlette.responses import HTMLResponse, Response

from syndicate.config import Settings
from syndicate.core.feeds import alternate_links
from syndicate.core.render.languages import direction
from syndicate.web.errors import Told

FOLDER = "pages/"
STYLE = FOLDER + "pages.css"
# What a link shows is for its reader alone: neither proxies nor search engines keep it.
_PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex, nofollow"}
_PUBLIC = {"cache-control": "public, max-age=60"}


class Pages:
    """The templates of one service, compiled. Operators' own templates are taken in when the process starts."""

    def __init__(self, settings: Settings, templates: Mapping[str, str]) -> None:
        self._environment = SandboxedEnvironment(
            loader=DictLoader({name: text for name, text in templates.items() if name.startswith(FOLDER)}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.style = templates[STYLE].encode()
        self.style_tag = hashlib.sha256(self.style).hexdigest()[:16]
        # Behind a proxy the service may live below a path of its host; links start there, the host is the reader's.
        self.root = urlsplit(settings.service.public_url).path.rstrip("/")
        site = settings.site
        self._frame = {
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
        """One page as a response. ``public``: it holds nothing of a reader."""
        html = self._environment.get_template(f"{FOLDER}{page}.html").render(**self._frame, **values)
        return HTMLResponse(html, status_code=status, headers=_PUBLIC if public else _PRIVATE)

    def error(self, told: Told) -> Response:
        """The page of an error."""
        response = self.render("error", status=told.status, title=told.title, text=told.text)
        if told.status == 503:  # noqa: PLR2004 - Service Unavailable
            response.headers["retry-after"] = "30"
        return response
