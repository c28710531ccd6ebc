"""Tries every page before a reader asks for it: renders each with all that it may be given, and with as little.

For ``check``. What a handler gives to its page stands in its module; a page that is shipped and
fails here has samples that lag behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syndicate.config import Settings
from syndicate.core.message.trial import Findings
from syndicate.errors import Problem
from syndicate.web.pages import Pages

_FEED = {
    "title": "The Harbour Courier",
    "description": "News from the port",
    "page": "/feeds/all/",
    "documents": [("Atom", "/feeds/all/atom.xml", "application/atom+xml")],
}
_ENTRY = {
    "title": "The ferry sails again",
    "url": "https://courier.example/ferry",
    "date": "22 November 2026",
    "language": "en",
    "dir": "ltr",
}
_READ = _FEED | {
    "language": "en",
    "dir": "ltr",
    "readers": [("A reader", "https://reader.example/?url=atom.xml")],
    "entries": [_ENTRY, _ENTRY | {"url": "", "date": ""}],
    "below": [("By section", [("Port", "/feeds/all/category/port/")])],
}
_UNREAD = _READ | {"description": "", "entries": [], "below": []}
_ISSUE = {
    "id": 1,
    "title": "Morning Courier: The ferry sails again",
    "digest": "Morning Courier",
    "date": "22 November 2026",
    "url": "/issues/1",
}
_DIGEST = {
    "title": "Morning Courier",
    "description": "What is new",
    "ask": "news@courier.example",
    "often": ["daily", "weekly"],
}
_ABOUT: dict[str, Any] = {
    "digest": "Morning Courier",
    "email": "r***@example.org",
    "name": "Nora",
    "language": "en",
    "timezone": "Europe/London",
    "frequency": "daily",
    "often": "once a day",
    "may_undo": True,
    "confirmed": True,
    "preferences_url": "/preferences/sample",
    "unsubscribe_url": "/unsubscribe/sample",
    "parts": [],
}
_LITTLE = _ABOUT | {"name": "", "language": "", "timezone": "", "often": "", "may_undo": False, "confirmed": False}
_SEVERAL = _ABOUT | {"parts": [_ABOUT, _LITTLE], "unsubscribe_url": ""}
_CHOICES = {
    "frequencies": [("daily", "Once a day"), ("weekly", "Once a week")],
    "topics": [("news", True), ("port", False)],
    "everything": False,
    "languages": [("de", "Deutsch"), ("en", "English")],
    "articles_too": True,
    "zones": ["Europe/London", "Asia/Kathmandu"],
    "saved": True,
    "problem": "choose at least one topic",
}
_NO_CHOICES = {
    "frequencies": [],
    "topics": [],
    "everything": True,
    "languages": [],
    "articles_too": False,
    "zones": [],
    "saved": False,
    "problem": None,
}
SAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "landing": (
        {"digests": [_DIGEST], "feeds": [_FEED], "issues": [_ISSUE]},
        {"digests": [_DIGEST | {"description": "", "often": []}], "feeds": [_FEED | {"description": ""}], "issues": []},
        {"digests": [], "feeds": [], "issues": []},
    ),
    "feeds": (
        {"feeds": [_FEED], "issues": [_FEED], "opml": "/feeds.opml"},
        {"feeds": [], "issues": [_FEED], "opml": ""},
        {"feeds": [], "issues": [], "opml": ""},
    ),
    "feed": (_READ, _UNREAD),
    "feed_preview": (_READ | {"address": "/feeds/all/atom.xml"}, _UNREAD | {"address": "/feeds/all/atom.xml"}),
    "issues": (
        {"issues": [_ISSUE, _ISSUE | {"url": ""}], "older": "/issues/?before=1", "newest": True, "feeds": [_FEED]},
        {"issues": [_ISSUE], "older": "", "newest": False, "feeds": [_FEED]},
        {"issues": [], "older": "", "newest": True, "feeds": []},
    ),
    "confirm": (_ABOUT | {"ended": False}, _LITTLE | {"ended": True}),
    "confirmed": tuple(
        {"digest": "Morning Courier", "often": often, "preferences_url": "/preferences/sample"}
        for often in ("once a day", "")
    ),
    "unsubscribe": (_ABOUT, _LITTLE, _SEVERAL),
    "unsubscribed": (_ABOUT, _LITTLE, _SEVERAL),
    "restored": (_ABOUT, _LITTLE, _SEVERAL),
    "preferences": (_ABOUT | _CHOICES, _LITTLE | _NO_CHOICES),
    "error": ({"title": "There is no such page", "text": "It may be mistyped."}, {"title": "Not Found", "text": ""}),
}


def page_problems(templates: Mapping[str, str], settings: Settings) -> list[Problem]:
    """Every fault that shows when the pages are rendered; each once, with its file and line."""
    found = Findings(settings)
    pages = Pages(settings, templates)
    for page, samples in SAMPLES.items():
        for values in samples:
            found.attempt(lambda page=page, values=values: pages.render(page, **values))  # type: ignore[misc]
    return found.problems
