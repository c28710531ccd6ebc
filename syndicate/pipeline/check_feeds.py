"""Check feeds: our own published documents, files, and what other servers answer, by the rules of ``core/feeds``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from lxml import html

from syndicate.config import Settings
from syndicate.core.feeds.rules import Finding, Severity, check_agreement, check_document
from syndicate.core.feeds.slugs import quoted_path
from syndicate.core.feeds.uris import web_address
from syndicate.errors import FetchError
from syndicate.io.files import files_named, read_if_there
from syndicate.io.guard import Fetched, Limits, fetch
from syndicate.model import FeedFormat

_NAMES = frozenset(form.file_name for form in FeedFormat)
# An operator asks for a feed of this very machine; a redirect into another private network is still refused.
_LIMITS = Limits(seconds=30, body_bytes=50_000_000, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
_ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"
_OK, _NOT_MODIFIED = 200, 304
_PAGE = "text/html"
_PAGE_BEGINS = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)
_FEED_TYPES = frozenset(form.media_type for form in FeedFormat)
_MOST_ANNOUNCED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFeed:
    """One document and what was found in it. ``place`` is its path or address."""

    place: str
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors

    def as_dict(self) -> dict[str, Any]:
        """The document in JSON, as ``feeds check --json`` writes it."""
        return {
            "feed": self.place,
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": [
                {
                    "rule": finding.rule,
                    "severity": finding.severity.value,
                    "where": finding.where,
                    "message": finding.message,
                }
                for finding in self.findings
            ],
        }


def check_places(places: Sequence[str]) -> Iterator[CheckedFeed]:
    """Check files, folders of feeds, and web addresses, one after the other.

    What cannot be read or fetched is an error of its document. A folder is checked with all feeds below it.
    """
    for place in places:
        if "://" in place:
            yield _fetched(place)
        elif Path(place).is_dir():
            yield from _folder(Path(place), None)
        else:
            yield _file(Path(place), None)[0]


def check_published(settings: Settings) -> Iterator[CheckedFeed]:
    """Check all that stands under ``feeds/``, each document against the address that it is served at."""
    if settings.feeds_path.is_dir():
        yield from _folder(settings.feeds_path, f"{settings.service.public_url}/feeds")


def _folder(root: Path, address: str | None) -> Iterator[CheckedFeed]:
    """The documents below a folder. The formats of one feed must agree; they stand side by side."""
    formats: dict[str, bytes] = {}
    folder: Path | None = None
    for path in files_named(root, _NAMES):
        if path.parent != folder:
            yield from _agreement(folder, formats)
            folder, formats = path.parent, {}
        checked, data = _file(path, address and f"{address}/{quoted_path(path.relative_to(root).as_posix())}")
        if data is not None:
            formats[path.name] = data
        yield checked
    yield from _agreement(folder, formats)


def _agreement(folder: Path | None, formats: Mapping[str, bytes]) -> Iterator[CheckedFeed]:
    findings = check_agreement(formats)
    if findings:
        yield CheckedFeed(place=str(folder), findings=tuple(findings))


def _file(path: Path, address: str | None) -> tuple[CheckedFeed, bytes | None]:
    data = read_if_there(path)
    if data is None:
        return CheckedFeed(
            place=str(path), findings=(_error("F14", "there is no such file, or it cannot be read"),)
        ), None
    return CheckedFeed(place=str(path), findings=tuple(check_document(data, address=address))), data


def _fetched(url: str) -> CheckedFeed:
    # Browsers show addresses in their own script, feeds name them as URIs.
    address = web_address(url)
    if address is None:
        message = "only files, folders and http or https addresses can be checked"
        return CheckedFeed(place=url, findings=(_error("F14", message),))
    try:
        answer = fetch(address, headers={"accept": _ACCEPT}, limits=_LIMITS)
    except FetchError as error:
        return CheckedFeed(place=url, findings=(_error("F14", str(error).removeprefix(f"{address}: ")),))
    if answer.status != _OK:
        return CheckedFeed(place=url, findings=(_error("F14", f"the server answers {answer.status}, not 200"),))
    content_type = answer.headers.get("content-type", "")
    if content_type.lower().startswith(_PAGE) or _PAGE_BEGINS.match(answer.body):
        return CheckedFeed(place=url, findings=(_error("F15", _page(answer)),))
    findings = check_document(answer.body, content_type, address=answer.permanent_url)
    return CheckedFeed(place=url, findings=(*findings, *_serving(answer)))


def _page(answer: Fetched) -> str:
    """What to say of a page where a feed was wanted: which feeds it announces."""
    links = html.fromstring(answer.body or b"<html/>", base_url=answer.url).iterfind(".//link[@href]")
    announced = dict.fromkeys(
        urljoin(answer.url, link.get("href"))
        for link in links
        if "alternate" in (link.get("rel") or "").lower().split() and link.get("type") in _FEED_TYPES
    )
    if not announced:
        return "this is a page, no feed, and it announces none"
    return f"this is a page, no feed; it announces {', '.join(islice(announced, _MOST_ANNOUNCED))}"


def _serving(answer: Fetched) -> Iterator[Finding]:
    """How it is served: whether a second visit costs nothing (F11), whether it may be kept (F12)."""
    headers = answer.headers
    asked = {
        asking: headers[given]
        for given, asking in (("etag", "if-none-match"), ("last-modified", "if-modified-since"))
        if headers.get(given)
    }
    if not asked:
        yield _warning("F11", "it is served without ETag and Last-Modified: every visit transfers all of it")
    else:
        try:
            again = fetch(answer.url, headers={"accept": _ACCEPT, **asked}, limits=_LIMITS)
        except FetchError as error:
            yield _warning("F11", f"a second visit failed: {error}")
        else:
            if again.status != _NOT_MODIFIED and again.body == answer.body:
                yield _warning("F11", f"a second visit is answered {again.status} with the same bytes, not 304")
    cache = headers.get("cache-control", "").lower()
    if "no-store" in cache or "max-age=0" in cache:
        yield _warning("F12", f"Cache-Control is {cache[:80]!r}: readers and caches ask more often than they need")
    if headers.get("set-cookie"):
        yield _warning("F12", "it sets a cookie: caches do not keep such answers")


def _error(rule: str, message: str) -> Finding:
    return Finding(rule=rule, severity=Severity.ERROR, where="", message=message)


def _warning(rule: str, message: str) -> Finding:
    return Finding(rule=rule, severity=Severity.WARNING, where="", message=message)
