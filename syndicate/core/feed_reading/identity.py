"""What makes an entry of somebody's feed the same one for ever, and what is ours already. Pure text, no look-ups."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from syndicate.core.article.sanitise import absolute
from syndicate.core.article.text import clean_line
from syndicate.core.feed_reading.entry import ReadEntry, ReadFeed

MAX_KEY = 400  # characters: articles take 500, and a longer id is told apart by its hash
_WEB = re.compile(r"https?://", re.IGNORECASE)
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=\S)")
# What says how somebody came here, not what is there.
_TRACKING = re.compile(
    r"utm_\w+|mtm_\w+|pk_\w+|matomo_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|twclid|"
    r"mc_cid|mc_eid|mkt_tok|_hsenc|_hsmi|ns_campaign|ns_mchannel|ns_source|at_medium|at_campaign|xtor|cmpid|"
    r"__twitter_impression|_openstat|sc_channel|ocid",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """How our own ids and addresses look: ``authority`` of our tag URIs, the names of our sources, our addresses."""

    public_url: str = ""
    authority: str = ""
    sources: tuple[str, ...] = ()
    site_host: str = ""

    def is_id(self, given: str) -> bool:
        """Whether an id is one that we minted, or was made from one by another Syndicate.

        The name of a source is part of it: a publisher's own system may mint tag URIs with the same domain.
        """
        return bool(self.authority and self.sources and self._minted().search(given))

    def is_address(self, url: str | None) -> bool:
        """Whether a feed at this address is served by us, whatever the scheme."""
        mine = address_key(f"{self.public_url}/feeds/") if self.public_url else None
        return bool(mine and url and (address_key(url) or "").startswith(mine))

    def is_feed(self, feed: ReadFeed) -> bool:
        """Whether a document is a feed of ours, wherever it was found.

        Another Syndicate that reads us has ids made from ours: its own articles are wanted all the same.
        """
        if any(map(self.is_address, (feed.address, feed.self_address))):
            return True
        if not (self.authority and self.sources and feed.generator.startswith("Syndicate")):
            return False
        return any(self._minted().match(entry.id) for entry in feed.entries)

    def is_home(self, url: str | None) -> bool:
        """Whether an address is on the publisher's own site."""
        return bool(self.site_host and url and host_of(url) == self.site_host.lower().removeprefix("www."))

    def _minted(self) -> re.Pattern[str]:
        day = "" if "," in self.authority else r",\d{4}-\d\d-\d\d"
        names = "|".join(re.escape(name) for name in self.sources)
        return re.compile(rf"tag:{re.escape(self.authority)}{day}:(?:{names})/")


def entry_key(entry: ReadEntry, feed_address: str) -> str | None:
    """The key of an entry's article: from its id, else its link, else its title and date, else nothing.

    Addresses count without scheme, tracking and case of the host, so a site's move to https makes no second article.
    An id that is no URI is the feed's own affair: it counts together with the feed's host.
    """
    if entry.id:
        return _short(_id_key(entry.id, feed_address))
    if entry.link:
        return _short(address_key(entry.link) or entry.link)
    if entry.title or entry.body:
        said = "\n".join((entry.title, entry.published.isoformat() if entry.published else "", *_only(entry)))
        return f"{host_of(feed_address)}#sha256:{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:40]}"
    return None


def address_key(url: str) -> str | None:
    """A web address as it is compared: no scheme, host in lower case, no default port, no tracking, no empty parts.

    A fragment stays unless it is empty or sets something ("#ref=rss"): some pages are many entries. None for what is
    no web address.
    """
    whole = absolute(url, None)
    if whole is None:
        return None
    parts = urlsplit(whole)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port
    place = host if port in {None, _PORTS[parts.scheme]} else f"{host}:{port}"
    query = "&".join(_without_tracking(parts))
    fragment = "" if "=" in parts.fragment else parts.fragment
    return f"{place}{parts.path or '/'}{'?' if query else ''}{query}{'#' if fragment else ''}{fragment}"


def host_of(url: str) -> str:
    """The host of an address without "www."; empty for none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _id_key(given: str, feed_address: str) -> str:
    written = clean_line(given)
    if _WEB.match(written):
        # An item of ingest never begins like a web address: so those of feeds that fail cannot be taken for entries.
        return address_key(written) or written.partition("//")[2] or f"{host_of(feed_address)}#"
    found = _URI.match(written)
    if not found:
        return f"{host_of(feed_address)}#{written}"
    scheme, rest = found[1].lower(), written[found.end() :]
    # Of URNs the namespace is written in any case (RFC 8141, 3.1), and a UUID altogether (RFC 9562, 4).
    return f"{scheme}:{rest.lower() if scheme == 'urn' and rest.lower().startswith('uuid:') else rest}"


def _without_tracking(parts: SplitResult) -> Iterable[str]:
    for pair in parts.query.split("&"):
        if pair and not _TRACKING.fullmatch(pair.partition("=")[0]):
            yield pair


def _only(entry: ReadEntry) -> tuple[str, ...]:
    """The text too, where title and date are not both there to tell entries apart."""
    return () if entry.title and entry.published else (entry.body,)


def _short(key: str) -> str:
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:40]
    return f"{key[: MAX_KEY - 41]}~{digest}"
