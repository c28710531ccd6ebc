"""What a feed of others says, whatever its format: one model that all readers fill, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from syndicate.model import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntry:
    """One entry as its feed gives it. Texts of one line are plain text; addresses are absolute http(s) ones.

    ``id`` is as written. ``body`` is in ``form``; addresses in an HTML body are relative to ``base``. Times may be
    without a zone; what is no date, or lies where no article does, is None.
    """

    id: str = ""
    title: str = ""
    link: str | None = None
    body: str = ""
    form: Literal["html", "text"] = "html"
    base: str | None = None
    summary: str = ""
    authors: tuple[str, ...] = ()
    publisher: str = ""
    categories: tuple[str, ...] = ()
    language: str | None = None
    published: datetime | None = None
    updated: datetime | None = None
    image: str | None = None
    image_alt: str = ""
    attachments: tuple[Attachment, ...] = ()
    comments: int | None = None
    comments_url: str | None = None
    comments_feed: str | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFeed:
    """One feed document. ``address`` is where it was found, ``self_address`` where it says it lives.

    ``deleted`` holds ids that it takes back (RFC 6721); ``complete``: what is not in it exists no longer (RFC 5005,
    section 2); ``ended``: it will never change again. ``repaired`` says what was wrong with a document that could be
    read nevertheless.
    """

    form: Literal["rss", "atom", "json"]
    address: str
    title: str = ""
    language: str | None = None
    home: str | None = None
    self_address: str | None = None
    hubs: tuple[str, ...] = ()
    generator: str = ""
    ttl: timedelta | None = None
    complete: bool = False
    ended: bool = False
    entries: tuple[ReadEntry, ...] = ()
    deleted: tuple[str, ...] = ()
    repaired: str | None = None
