"""What makes an article the same one for ever (its ``tag:`` URI), and what makes it another text (its content hash)."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from urllib.parse import quote, urlsplit

import idna

from syndicate.config.sections import Site
from syndicate.model import ArticleContent

# What readers see as the text. Dates, expiry, pinning and counts change without making it another text, and so does
# Markdown that renders to the same HTML.
_READ = (
    "title",
    "url",
    "html",
    "summary",
    "authors",
    "publisher",
    "category",
    "tags",
    "language",
    "image",
    "image_alt",
)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
# RFC 4151, section 2.1: specific = *( pchar / "/" / "?" ), and pchar of RFC 3986. "?" is left out: nothing is lost.
_SPECIFIC = "/:@!$&'()*+,;="
_MAX_SPECIFIC = 600
_KEPT_SPECIFIC = 500
_CUT_ESCAPE = re.compile(r"%.?$")
_NO_AUTHORITY = "localhost"


def content_hash(content: ArticleContent) -> str:
    """Give the hash of what readers see, the same in every process and on every machine."""
    seen = {name: getattr(content, name) for name in _READ} | {"kind": content.kind.value}
    if content.attachments:  # absent otherwise: the hashes of articles from before there were any must stay
        seen["attachments"] = [(each.url, each.type, each.length) for each in content.attachments]
    return hashlib.sha256(_CANONICAL.encode(seen).encode()).hexdigest()[:32]


def tag_authority(site: Site) -> str:
    """Give who mints the ids: ``[site] tag_authority`` with its date, else the host of the site, without a date."""
    if site.tag_authority:
        return site.tag_authority
    host = (urlsplit(site.url).hostname or "").lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            host = ""
    # Neither an IPv6 address nor an underscore can stand there (RFC 4151, section 2.1).
    return host if re.fullmatch(r"[a-z0-9.-]+", host) else _NO_AUTHORITY


def tag_uri(authority: str, day: date, source: str, key: str) -> str:
    """Mint the permanent id of an article (RFC 4151). ``day`` is used when the authority names no date of its own.

    Different sources and keys give different ids: whatever is no tag character is percent-encoded, "%" included. It is
    minted once, at ingest, and stored: nothing that changes later (url, title, the site's address) changes it.
    """
    owner = authority if "," in authority else f"{authority},{day.isoformat()}"
    specific = f"{quote(source, safe='')}/{quote(key, safe=_SPECIFIC)}"
    if len(specific) > _MAX_SPECIFIC:  # unique indexes have a limit, and so do readers' databases
        digest = hashlib.sha256(specific.encode()).hexdigest()
        # Its beginning stays: there stands whose the article is, by which papers that read each other know their own.
        specific = f"{_CUT_ESCAPE.sub('', specific[:_KEPT_SPECIFIC])}~sha256:{digest}"
    return f"tag:{owner}:{specific}"
