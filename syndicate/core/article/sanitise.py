"""HTML that readers may get: an allow-list (nh3), absolute addresses, no forbidden characters.

Whatever a source holds goes through ``sanitise`` once, at ingest; feeds, mails and pages rely on it.
"""

from __future__ import annotations

import re
import threading
from urllib.parse import quote, urljoin, urlsplit

import idna
import nh3

from syndicate.core.article.nesting import bounded, check_depth
from syndicate.core.article.text import clean_text

SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_WEB = frozenset({"http", "https"})

# fmt: off
_TAGS = frozenset({
    "h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "div", "span", "blockquote", "pre", "code", "kbd", "samp",
    "var", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot",
    "tr", "th", "td", "figure", "figcaption", "img", "a", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub",
    "sup", "small", "mark", "abbr", "cite", "dfn", "q", "time", "bdi", "bdo", "ruby", "rb", "rt", "rp", "wbr",
})
# fmt: on
_EVERYWHERE = frozenset({"lang", "dir", "title"})
_ATTRIBUTES = {
    "*": _EVERYWHERE,
    "a": {"href", "hreflang"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start", "reversed", "type"},
    "li": {"value"},
    "col": {"span"},
    "colgroup": {"span"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "headers", "scope"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "del": {"cite", "datetime"},
    "ins": {"cite", "datetime"},
    "time": {"datetime"},
}
# Their text is no text of the article: script code, styles, what stands in a frame or a form's options.
_DROPPED_WITH_TEXT = frozenset(
    {"script", "style", "iframe", "object", "noscript", "template", "title", "select", "textarea"}
)
_ADDRESSES = frozenset({"href", "src", "cite"})
# In nh3's output every attribute value stands in double quotes, with the quotes inside escaped.
_IMAGE_WITHOUT_SOURCE = re.compile(r'<img(?:\s(?!src=)[a-z]+="[^"]*")*>')
_NUMERIC_REFERENCE = "&#"
# What needs no joining and no encoding: most addresses.
_PLAIN_ADDRESS = re.compile(r"https?://[a-z0-9.-]+\.[a-z]+(?:/[A-Za-z0-9._~/?#=&%+,:;@!$()*-]*)?")
_ADDRESS_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"


class _Base(threading.local):
    """What the addresses of the text being cleaned in this thread are relative to.

    nh3 takes the base when a cleaner is built, and building one for each article costs as much as cleaning it.
    """

    address: str | None = None


_base = _Base()


def sanitise(html: str, base: str | None) -> str:
    """Clean a fragment of HTML. Relative addresses are joined with ``base``, an absolute one; without it, dropped.

    The result holds only tags and attributes of the allow-list, links to http, https, mailto and tel, pictures from
    http(s) only, and no character that XML forbids. Raises NestingError for what is nested beyond all measure.
    """
    _base.address = base
    # Unpaired surrogates cannot be handed over; "&#8;" becomes the character itself.
    cleaned = _CLEANER.clean(bounded(clean_text(html)))
    if _NUMERIC_REFERENCE in html:
        cleaned = clean_text(cleaned)
    check_depth(cleaned)
    return _IMAGE_WITHOUT_SOURCE.sub("", cleaned).strip()


def absolute(address: str, base: str | None) -> str | None:
    """Join a web address with its base and write it as a URI (RFC 3986): ASCII, what is not allowed percent-encoded.

    None when the result is no http(s) address with a host.
    """
    if not address:
        return None
    if _PLAIN_ADDRESS.fullmatch(address):
        return address
    text = re.sub(r"[\t\n\r]", "", clean_text(address)).strip().replace("\\", "/")  # as browsers read it
    if not text:
        return None
    try:
        parts = urlsplit(urljoin(base, text) if base else text)
        if parts.scheme not in _WEB or not parts.hostname or parts.port == 0:
            return None
        host = parts.netloc if parts.netloc.isascii() else _ascii_host(parts.netloc)
    except (ValueError, idna.IDNAError):  # a broken IPv6 host, a port that is no number, no host name
        return None
    if re.search(r"[^A-Za-z0-9.:\[\]@_~!$&'()*+,;=%-]", host):
        return None
    return quote(parts._replace(netloc=host).geturl(), safe=_ADDRESS_CHARACTERS)


def _ascii_host(netloc: str) -> str:
    user, at, host = netloc.rpartition("@")
    name, colon, port = host.partition(":")
    return user + at + idna.encode(name, uts46=True).decode("ascii") + colon + port


def _filter(tag: str, attribute: str, value: str) -> str | None:
    """Make addresses absolute, and drop those that no reader can follow."""
    if attribute not in _ADDRESSES:
        return value
    found = absolute(value, _base.address)
    if found is None and tag == "a" and re.match(r"\s*(mailto|tel):", value, re.IGNORECASE):
        return quote(value.strip(), safe=_ADDRESS_CHARACTERS)
    return found


_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_DROPPED_WITH_TEXT),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    attribute_filter=_filter,
    url_schemes=set(SCHEMES),
    url_relative=lambda address: absolute(address, _base.address),
    link_rel=None,  # rel="noopener" is for pages that open windows, not for feeds
    strip_comments=True,
)
