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
    "qr": "/qr/all.svg",
    "address_of_page": "https://courier.example/feeds/all/",
    "opml": "/feeds.opml",
    "own_opml": "/opml/all.opml",
}
_UNREAD = _READ | {"description": "", "entries": [], "below": [], "opml": "", "own_opml": ""}
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
    "frequency": "daily",
    "often": "once a day",
    "may_undo": True,
    "confirmed": True,
    "preferences_url": "/preferences/sample",
    "unsubscribe_url": "/unsubscribe/sample",
    "parts": [],
}
_LITTLE = _ABOUT | {"name": "", "language": "", "often": "", "may_undo": False, "confirmed": False}
_SEVERAL = _ABOUT | {"parts": [_ABOUT, _LITTLE], "unsubscribe_url": ""}
_CHOICES = {
    "frequencies": [("daily", "Once a day"), ("weekly", "Once a week")],
    "topics": [("news", True), ("port", False)],
    "everything": False,
    "languages": [("de", "Deutsch"), ("en", "English")],
    "zones": ["Europe/London"],
    "timezone": "Europe/London",
    "pause": "2026-12-24",
    "paused": "24 December 2026",
    "pause_min": "2026-11-23",
    "pause_max": "2027-11-22",
    "script": "/static/pages.js",
    "saved": True,
    "problem": "Choose at least one topic.",
}
_NO_CHOICES = {
    "frequencies": [],
    "topics": [],
    "everything": True,
    "languages": [],
    "zones": [],
    "timezone": "",
    "pause": "",
    "paused": "",
    "pause_min": "2026-11-23",
    "pause_max": "2027-11-22",
    "script": "/static/pages.js",
    "saved": False,
    "problem": "",
}
_FORM: dict[str, Any] = {
    "digests": [
        {"name": "morning", "title": "Morning Courier", "description": "What is new", "often": ["daily"], "more": True}
    ],
    "digest": "morning",
    "email": "nora@example.org",
    "name": "Nora",
    "frequencies": [("daily", "Once a day"), ("weekly", "Once a week")],
    "frequency": "daily",
    "topics": [("news", True), ("port", False)],
    "everything": False,
    "languages": [("de", "Deutsch"), ("en", "English")],
    "language": "de",
    "zones": ["Europe/London"],
    "timezone": "Europe/London",
    "open": True,
    "stamp": "sample",
    "place": "landing",
    "consent": "I would like to get this by e-mail.",
    "proof": "/subscribe/challenge",
    "script": "/static/pages.js",
    "problem": "This is no e-mail address.",
    "again": True,
}
_SMALL_FORM = _FORM | {
    "digests": [_FORM["digests"][0] | {"description": "", "often": [], "more": False}] * 2,
    "frequencies": [],
    "topics": [],
    "languages": [],
    "zones": [],
    "open": False,
    "proof": "",
    "problem": "",
    "again": False,
}
_MOVE = _ABOUT | {"sent": False, "problem": "", "own": "", "wanted": ""}
SAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "landing": (
        {"form": _FORM, "digests": [_DIGEST], "feeds": [_FEED], "issues": [_ISSUE]},
        {"form": _SMALL_FORM, "digests": [_DIGEST], "feeds": [], "issues": []},
        {"form": None, "digests": [_DIGEST], "feeds": [_FEED], "issues": [_ISSUE]},
        {
            "form": None,
            "digests": [_DIGEST | {"description": "", "often": []}],
            "feeds": [_FEED | {"description": ""}],
            "issues": [],
        },
        {"form": None, "digests": [], "feeds": [], "issues": []},
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
    "error": (
        {"title": "There is no such page", "text": "It may be mistyped.", "detail": False},
        {"title": "This is not possible now", "text": "It has ended.", "detail": True},
        {"title": "Not Found", "text": "", "detail": False},
    ),
    "subscribe": ({"form": _FORM}, {"form": _SMALL_FORM}),
    "sent": ({},),
    "move": (_MOVE, _MOVE | {"sent": True}, _MOVE | {"problem": "This is no e-mail address."}),
    "moved": (
        {
            "old": "r***@example.org",
            "email": "n***@example.net",
            "done": False,
            "preferences_url": "/preferences/sample",
        },
        {"old": "r***@example.org", "email": "n***@example.net", "done": True, "preferences_url": ""},
    ),
    "erase": (_ABOUT | {"problem": ""}, _ABOUT | {"problem": "This is not the address."}),
    "erased": ({},),
    "privacy": (
        {"parts": [("These pages", ["No cookies."])], "contact": "news@courier.example"},
        {"parts": [], "contact": ""},
    ),
    "embed": ({"digests": [{"title": "Morning Courier", "script": "<script></script>", "form": "<form></form>"}]},),
}


def page_problems(templates: Mapping[str, str], settings: Settings) -> list[Problem]:
    """Every fault that shows when the pages are rendered; each once, with its file and line."""
    found = Findings(settings)
    pages = Pages(settings, templates)
    for page, samples in SAMPLES.items():
        for values in samples:
            found.attempt(lambda page=page, values=values: pages.render(page, **values))  # type: ignore[misc]
    return found.problems
