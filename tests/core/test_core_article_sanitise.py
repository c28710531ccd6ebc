from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syndicate.core.article.sanitise import absolute, sanitise
from syndicate.core.article.text import clean_text

BASE = "https://courier.example/port/ferry"


class Reader(HTMLParser):
    """An independent look at the result: tags, attributes, addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"href", "src", "cite", "action", "srcset", "poster", "data"}:
                self.addresses.append((tag, value or ""))


def look(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Fine <em>text</em> &amp; more</p>", "<p>Fine <em>text</em> &amp; more</p>"),
        ("<script>alert(1)</script><p onclick='x()'>Text</p>", "<p>Text</p>"),
        ("<p style='color:red' class='c' id='i'>Text</p>", "<p>Text</p>"),
        ("<iframe src='https://x.example'>frame</iframe>Rest", "Rest"),
        ("<form action='/x'><input name=q>Text</form>", "Text"),
        ("<a href='javascript:alert(1)'>x</a>", "<a>x</a>"),
        ("<a href='java&#x09;script:alert(1)'>x</a>", "<a>x</a>"),
        ("<a href='\x01javascript:alert(1)'>x</a>", "<a>x</a>"),
        ("<img src='data:image/svg+xml;base64,AAAA' alt='x'>", ""),
        ("<img src='/a b.png' alt='A &gt; B'>", '<img src="https://courier.example/a%20b.png" alt="A &gt; B">'),
        ("<img src='//cdn.example/a.png' alt=''>", '<img src="https://cdn.example/a.png" alt="">'),
        ("<a href='#tides'>x</a>", f'<a href="{BASE}#tides">x</a>'),
        ("<a href='?page=2'>x</a>", f'<a href="{BASE}?page=2">x</a>'),
        ("<a href='../sport'>x</a>", '<a href="https://courier.example/sport">x</a>'),
        ("<a href='http:foo'>x</a>", "<a>x</a>"),
        ("<a href='https://[bad'>x</a>", "<a>x</a>"),
        ("<a href='mailto:news@courier.example'>x</a>", '<a href="mailto:news@courier.example">x</a>'),
        ("<a href='tel:+4420'>x</a>", '<a href="tel:+4420">x</a>'),
        ("<a href='https://x.example/' rel='tag' target='_blank'>x</a>", '<a href="https://x.example/">x</a>'),
        ("a&#8;b&#xFFFE;c", "abc"),
        ("]]> stays text", "]]&gt; stays text"),
        ("<p lang='fr' dir='ltr'>Été</p>", '<p lang="fr" dir="ltr">Été</p>'),
        (
            "<picture><source srcset='/x.webp'><img src='/x.png' alt='x'></picture>",
            '<img src="https://courier.example/x.png" alt="x">',
        ),
        ("<!-- note --><p>Text</p>", "<p>Text</p>"),
        ("<td>loose", "loose"),
        ("<svg><script>alert(1)</script></svg>Text", "Text"),
    ],
)
def test_sanitise(html: str, expected: str) -> None:
    assert sanitise(html, BASE) == expected


def test_without_a_base_relative_addresses_are_dropped() -> None:
    assert sanitise("<a href='/x'>x</a><img src='y.png' alt='y'>", None) == "<a>x</a>"


PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<b>", "<script>", "</script>", "<style>", "<img src=", "<a href='", "'>", '"', "javascript:", "java\tscript:",
        "data:text/html,", " onerror=alert(1) ", "&#x6a;", "&#0;", "&#xD800;", "\x00", "\ud800", "\ufffe", "<svg>", "<math>", "<mtext>",
        "<table>", "<noscript>", "<!--", "-->", "]]>", "<![CDATA[", "/x", "//h.example", "https://x.example/ü", "text", "<iframe srcdoc='",
        "<title>", "<textarea>", "<template>", "<plaintext>", "<base href='//evil.example'>", "<meta http-equiv=refresh>", "&colon;", "\\",
    ]
)  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(st.characters())))
@example('<math><mi//xlink:href="data:x,<script>alert(4)</script>">')
@example('<noscript><p title="</noscript><img src=x onerror=alert(1)>">')
@example('<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">')
def test_nothing_dangerous_is_left(html: str) -> None:
    result = sanitise(html, BASE)
    seen = look(result)
    assert not seen.tags & {
        "script",
        "style",
        "iframe",
        "form",
        "input",
        "svg",
        "math",
        "base",
        "meta",
        "object",
        "template",
    }
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"style", "class", "id", "srcset"}}
    for tag, address in seen.addresses:
        parts = urlsplit(address)
        assert parts.scheme in ({"http", "https"} if tag == "img" else {"http", "https", "mailto", "tel"})
        assert parts.netloc or parts.scheme in {"mailto", "tel"}
        assert not re.search(r"[\s<>\"]", address)
    assert clean_text(result) == result
    assert sanitise(result, BASE) == result


@pytest.mark.parametrize(
    ("address", "base", "expected"),
    [
        ("https://courier.example/a", None, "https://courier.example/a"),
        ("/a?b=c#d", "https://courier.example/x/", "https://courier.example/a?b=c#d"),
        ("a", "https://courier.example/paper/", "https://courier.example/paper/a"),
        ("/a", None, None),
        ("ftp://x.example/a", None, None),
        ("javascript:alert(1)", "https://courier.example/", None),
        ("https://Möwe.example/ü", None, "https://xn--mwe-sna.example/%C3%BC"),
        ("https://x.example/100%25", None, "https://x.example/100%25"),
        ("https://x.example:99999/", None, None),
        ("https://x.example:abc/", None, None),
        ("https://exa mple/", None, None),
        ("https:///path", None, None),
        ("", "https://courier.example/", None),
        ("https://[::1]/x", None, "https://[::1]/x"),
        ('https://x.example/"><script>', None, "https://x.example/%22%3E%3Cscript%3E"),
    ],
)
def test_absolute(address: str, base: str | None, expected: str | None) -> None:
    assert absolute(address, base) == expected


@given(st.text(st.characters()), st.sampled_from([None, BASE]))
def test_absolute_gives_an_address_or_nothing(address: str, base: str | None) -> None:
    found = absolute(address, base)
    if found is not None:
        assert found.isascii()
        assert re.fullmatch(r"https?://[^\s<>\"]+", found)
        assert absolute(found, None) == found
