"""Pages about feeds, for people: the list, one feed, and what a browser shows at the address of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.core.feeds import Outline, opml
from syndicate.core.feeds.autodiscovery import BEST_FIRST, LABELS, listed_feeds
from syndicate.core.feeds.glance import Glance, glance
from syndicate.core.feeds.opml import MEDIA_TYPE as OPML
from syndicate.core.render.languages import direction, language_name
from syndicate.model import FeedFormat
from syndicate.store.published import FeedBelow, feeds_below
from syndicate.web.feed_server.addresses import document_parts
from syndicate.web.pages import Pages
from syndicate.web.qr import qr_svg

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_KINDS: Final = frozenset({"category", "author", "tag", "source", "language"})
# Addresses at which readers on the web take a feed; %s is its address, quoted.
_READERS: Final = (
    ("Feedly", "https://feedly.com/i/subscription/feed%%2F%s"),
    ("Inoreader", "https://www.inoreader.com/?add_feed=%s"),
    ("NewsBlur", "https://www.newsblur.com/?url=%s"),
    ("The Old Reader", "https://theoldreader.com/feeds/subscribe?url=%s"),
)
_LATEST: Final = 10
_LARGEST: Final = 8_000_000  # bytes of a document that is read for a page
_PREVIEW: Final = {"cache-control": "private, max-age=60", "vary": "Accept-Encoding, Accept-Language, Sec-Fetch-Dest"}


@dataclass(frozen=True, slots=True)
class _Published:
    """One feed as its files show it."""

    folder: str
    formats: tuple[FeedFormat, ...]
    shown: Glance


class FeedPages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._settings = services.settings
        self._pages = pages
        self._listed = {feed.name: feed for feed in listed_feeds(services.settings)}

    def routes(self) -> list[BaseRoute]:
        """Only GETs. Documents are answered before the router; what comes here is for people."""
        return [
            Route("/feeds", self.to_list, methods=["GET"]),
            Route("/feeds/", self.feeds, methods=["GET"]),
            Route("/feeds/{path:path}", self.feed, methods=["GET"]),
            Route("/qr/{path:path}.svg", self.code, methods=["GET"]),
            Route("/opml/{path:path}.opml", self.own_opml, methods=["GET"]),
        ]

    def to_list(self, _request: Request) -> Response:
        """The list lives at its slash."""
        return self._moved("")

    def feeds(self, request: Request) -> Response:
        """The list of feeds."""
        speak = self._pages.language(request)
        values: dict[str, Any] = {"feeds": self.listed(), "issues": self.listed(issues=True), "opml": self._opml()}
        return self._pages.render("feeds", public=True, speak=speak, **values)

    def code(self, request: Request) -> Response:
        """The address of a feed's page as a QR code (ISO/IEC 18004), for a phone's camera."""
        folder: str = request.path_params["path"]
        if self._published(folder) is None:
            raise HTTPException(404)
        headers = {"cache-control": "public, max-age=86400"}
        return Response(qr_svg(self._public_page(folder)), media_type="image/svg+xml", headers=headers)

    def own_opml(self, request: Request) -> Response:
        """One feed, and those below it in a group, as a file to import: for readers that take no addresses."""
        folder: str = request.path_params["path"]
        published = self._published(folder)
        if published is None:
            raise HTTPException(404)
        outlines = [self._outline(folder, published.shown.title, published.formats[0], published.shown.language)]
        below = [self._outline(each.name, each.title, published.formats[0]) for each in self._feeds_below(folder)]
        if below:
            outlines.append(Outline(title=published.shown.title, outlines=tuple(below)))
        name = f"{folder.replace('/', '-')}.opml"
        headers = {
            "cache-control": "public, max-age=3600",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        }
        return Response(opml(published.shown.title, outlines), media_type=OPML, headers=headers)

    def _outline(self, folder: str, title: str, form: FeedFormat, language: str | None = None) -> Outline:
        page = self._public_page(folder)
        return Outline(title=title, xml_url=f"{page}{form.file_name}", html_url=page, language=language)

    def _opml(self) -> str:
        return f"{self._pages.root}/feeds.opml" if (self._settings.feeds_path / "feeds.opml").is_file() else ""

    def _public_page(self, folder: str) -> str:
        return f"{self._settings.service.public_url}/feeds/{quote(folder)}/"

    def feed(self, request: Request) -> Response:
        """One feed's page; at the address of a document, what to do with it."""
        path: str = request.path_params["path"]
        parts = document_parts(f"/feeds/{path}")
        if parts is not None:
            return self._preview(request, parts)
        folder = path.removesuffix("/")
        published = self._published(folder)
        if published is None:
            raise HTTPException(404)
        if folder == path:
            return self._moved(f"{folder}/")
        speak = self._pages.language(request)
        return self._pages.render("feed", public=True, speak=speak, **self._about(published, speak))

    def _preview(self, request: Request, parts: tuple[str, ...]) -> Response:
        published = self._published("/".join(parts[:-1]), wanted=parts[-1])
        if published is None:
            raise HTTPException(404)
        address = f"{self._settings.service.public_url}/feeds/{quote('/'.join(parts))}"
        speak = self._pages.language(request)
        values = {"address": address, **self._about(published, speak)}
        response = self._pages.render("feed_preview", public=True, speak=speak, **values)
        # It stands at the address of the document: no shared cache may mix the two up.
        response.headers.update(_PREVIEW)
        return response

    def listed(self, *, issues: bool = False) -> list[dict[str, Any]]:
        """All configured feeds with the addresses of their documents; or those of the digests' issues."""
        return [
            {
                "title": feed.title,
                "description": feed.description,
                "page": f"{self._pages.root}/feeds/{feed.name}/",
                "documents": [
                    (LABELS[form], f"{self._pages.root}/feeds/{feed.name}/{form.file_name}", form.media_type)
                    for form in feed.formats
                ],
            }
            for feed in self._listed.values()
            if feed.issues == issues
        ]

    def _about(self, published: _Published, speak: str) -> dict[str, Any]:
        base = f"{self._settings.service.public_url}/feeds/{quote(published.folder)}"
        documents = [(LABELS[form], f"{base}/{form.file_name}", form.media_type) for form in published.formats]
        shown = published.shown
        language = shown.language or self._settings.site.language
        entries = [
            {
                "title": entry.title or entry.url,
                "url": entry.url if entry.url.startswith(("https://", "http://")) else "",
                "date": self._pages.date(entry.published, speak) if entry.published else "",
                "language": entry.language or language,
                "dir": direction(entry.language or language),
            }
            for entry in shown.entries
        ]
        return {
            "title": shown.title,
            "description": "" if shown.description == shown.title else shown.description,
            "language": language,
            "dir": direction(language),
            "page": f"{self._pages.root}/feeds/{quote(published.folder)}/",
            "documents": documents,
            "readers": [(name, form % quote(documents[0][1], safe="")) for name, form in _READERS],
            "entries": entries,
            "below": self._below(published.folder, speak),
            "qr": f"{self._pages.root}/qr/{quote(published.folder)}.svg",
            "address_of_page": self._public_page(published.folder),
            "opml": self._opml(),
            "own_opml": f"{self._pages.root}/opml/{quote(published.folder)}.opml",
        }

    def _below(self, folder: str, speak: str) -> list[tuple[str, list[tuple[str, str]]]]:
        groups: dict[str, list[tuple[str, str]]] = {}
        for each in self._feeds_below(folder):
            address = f"{self._pages.root}/feeds/{quote(each.name)}/"
            label = language_name(each.label) if each.kind == "language" else each.label
            groups.setdefault(each.kind, []).append((label or each.title, address))
        heading = self._pages.word
        return [
            (heading(speak, f"by_kind_{kind}") if kind in _KINDS else kind, feeds) for kind, feeds in groups.items()
        ]

    def _feeds_below(self, folder: str) -> Sequence[FeedBelow]:
        if folder not in self._settings.feed or not self._settings.feed[folder].per:
            return []
        with self._services.database.read() as session:
            return feeds_below(session, folder)

    def _published(self, folder: str, wanted: str | None = None) -> _Published | None:
        """What stands in a folder; None where there is no feed. ``wanted`` must be one of its files."""
        if folder and document_parts(f"/feeds/{folder}/{FeedFormat.RSS.file_name}") is None:
            return None
        place = self._settings.feeds_path / folder
        formats = tuple(form for form in BEST_FIRST if _is_feed(place / form.file_name))
        if not formats and wanted is None and folder in self._listed:
            return self._not_yet(folder)
        if not formats or (wanted is not None and wanted not in {form.file_name for form in formats}):
            return None
        form = formats[0]
        try:
            shown = glance((place / form.file_name).read_bytes(), form, limit=_LATEST)
        except (OSError, ValueError):
            return None
        return _Published(folder, formats, shown)

    def _not_yet(self, name: str) -> _Published:
        """A feed before its first publication."""
        feed, site = self._listed[name], self._settings.site
        shown = Glance(feed.title, feed.description or site.description, site.language, "", ())
        return _Published(name, feed.formats, shown)

    def _moved(self, path: str) -> Response:
        headers = {"cache-control": "public, max-age=86400"}
        return RedirectResponse(f"{self._pages.root}/feeds/{quote(path)}", status_code=301, headers=headers)


def _is_feed(place: Path) -> bool:
    try:
        return place.is_file() and place.stat().st_size <= _LARGEST
    except OSError:
        return False
