"""Our own rules: nothing that the writers make breaks one, and each fault that readers stumble over is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from feed_articles import FIRST, article, articles, clean_articles, everything, feed_settings
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from syndicate.core.feeds import WRITERS, feed_document, xml_elements
from syndicate.core.feeds.rules import Finding, Severity, check_agreement, check_document
from syndicate.core.feeds.rules.values import rfc822, rfc3339
from syndicate.model import Article, Attachment, FeedFormat

SETTINGS = feed_settings()
SAMPLE = [
    article(
        2,
        url="https://courier.example/2",
        html='<p>Two <a href="https://courier.example/">links</a></p>',
        summary="Two",
        authors=("Ines Hale",),
        tags=("port",),
        language="de",
        markdown="Two",
        comments=2,
        comments_url="https://courier.example/2#c",
        comments_feed="https://courier.example/2/c.xml",
        image="https://courier.example/2.png",
        attachments=(Attachment(url="https://courier.example/2.mp3", type="audio/mpeg", length=9),),
        edited=FIRST + timedelta(days=1),
    ),
    article(1, url="https://courier.example/1", html="<p>One</p>", summary="One"),
]


def written(form: FeedFormat) -> bytes:
    return WRITERS[form](everything(SETTINGS, SAMPLE))


@given(clean_articles())
def test_what_the_writers_make_of_any_articles_breaks_no_rule(found: list[Article]) -> None:
    document = everything(SETTINGS, found)
    archive = replace(
        document,
        archive=True,
        base=f"{document.base}/archive/2",
        current=document.base,
        prev_archive=f"{document.base}/archive/1",
        next_archive=f"{document.base}/archive/3",
        tombstones=(),
    )
    whole = replace(document, complete=True, prev_archive=None, hubs=())
    summaries, _problems = feed_document(feed_settings(content="summary"), "all", found)
    for each in (document, archive, whole, summaries):
        documents = {form: write(each) for form, write in WRITERS.items()}
        for form, data in documents.items():
            assert check_document(data, form.media_type, address=each.address(form)) == []
        assert check_agreement({form.value: data for form, data in documents.items()}) == []


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert any(finding.severity is Severity.ERROR for finding in check_document(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "items", "authors", "title", "tags", "hubs", "url", "attachments", "version"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["version", "title", "items", "hubs", "authors", "language"]), JSON))
def test_any_json_is_judged(feed: dict[str, Any]) -> None:
    assert isinstance(check_document(json.dumps(feed).encode()), list)


@given(articles(), st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_a_damaged_document_is_judged(found: list[Article], place: int, damage: bytes) -> None:
    for write in WRITERS.values():
        data = write(everything(SETTINGS, found))
        at = place % len(data)
        assert isinstance(check_document(data[:at] + damage + data[at + len(damage) :]), list)


def test_a_bomb_is_a_finding_and_takes_no_time() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(12))
    bomb = f'<?xml version="1.0"?><!-- x --><!DOCTYPE rss [{entities}]><rss version="2.0">&e11;</rss>'
    for data in (bomb.encode(), b"\xef\xbb\xbf" + bomb.encode(), b"\xff\xfe" + bomb.encode("utf-16-le")):
        assert [finding.rule for finding in check_document(data)] == ["XML 1.0"]
        assert "DOCTYPE" in check_document(data)[0].message
    assert check_document(b"<a>" * 100_000)[0].severity is Severity.ERROR
    assert check_document(b'{"items":' * 100_000)[0].severity is Severity.ERROR


def found_in(data: bytes, rule: str, severity: Severity = Severity.ERROR) -> list[Finding]:
    return [each for each in check_document(data) if each.rule == rule and each.severity is severity]


ERROR, WARNING = Severity.ERROR, Severity.WARNING
XML_FAULTS: list[tuple[str, FeedFormat, Callable[[str], str], str, Severity]] = [
    ("no guid", FeedFormat.RSS, lambda x: _without(x, "guid"), "F2", ERROR),
    ("a guid that is none", FeedFormat.RSS, lambda x: x.replace(' isPermaLink="false"', ""), "F2", ERROR),
    ("ids twice", FeedFormat.RSS, lambda x: x.replace("stories/1", "stories/2"), "F2", ERROR),
    ("ids twice", FeedFormat.ATOM, lambda x: x.replace("stories/1", "stories/2"), "F2", ERROR),
    ("an id that is no URI", FeedFormat.ATOM, lambda x: x.replace("tag:courier", "courier"), "F2", ERROR),
    ("a date of nowhere", FeedFormat.RSS, lambda x: x.replace(" Nov 2026 09", " Okt 2026 09"), "F3", ERROR),
    ("the wrong weekday", FeedFormat.RSS, lambda x: x.replace("Fri, 20", "Mon, 20"), "F3", ERROR),
    ("a date in a zone", FeedFormat.RSS, lambda x: x.replace(":00 GMT", ":00 +0100"), "F3", WARNING),
    ("a short date", FeedFormat.ATOM, lambda x: x.replace("T09:00:00+00:00", ""), "F3", ERROR),
    ("the build time", FeedFormat.RSS, lambda x: x.replace("Sat, 21 Nov", "Sun, 22 Nov"), "F3", WARNING),
    ("the build time", FeedFormat.ATOM, lambda x: x.replace("21T08", "22T08", 1), "F3", WARNING),
    ("the wrong order", FeedFormat.RSS, lambda x: x.replace("20 Nov 2026 10", "20 Nov 2026 08"), "F4", WARNING),
    ("a script", FeedFormat.RSS, lambda x: x.replace("&lt;p&gt;Two", "&lt;script&gt;1&lt;/script&gt;"), "F6", ERROR),
    ("a handler", FeedFormat.ATOM, lambda x: x.replace("&lt;p&gt;Two", "&lt;p onclick=x()&gt;"), "F6", ERROR),
    ("a script's address", FeedFormat.ATOM, lambda x: x.replace('href="https:', 'href="javascript:', 9), "F6", ERROR),
    (
        "a relative link",
        FeedFormat.RSS,
        lambda x: x.replace('href="https://courier.example/"', 'href="/"'),
        "F6",
        ERROR,
    ),
    (
        "CDATA as a type",
        FeedFormat.ATOM,
        lambda x: x.replace('content type="html"', 'content type="CDATA"'),
        "F6",
        ERROR,
    ),
    ("a title in HTML", FeedFormat.ATOM, lambda x: x.replace("<title>", '<title type="html">'), "F5", WARNING),
    (
        "an author's address",
        FeedFormat.RSS,
        lambda x: x.replace("<pubDate>", "<author>a@b.example</author><pubDate>"),
        "F7",
        WARNING,
    ),
    ("no author", FeedFormat.ATOM, lambda x: _without(x, "{http://www.w3.org/2005/Atom}author"), "F7", ERROR),
    ("no link to itself", FeedFormat.RSS, lambda x: x.replace('rel="self"', 'rel="via"'), "F8", ERROR),
    ("two links to itself", FeedFormat.ATOM, lambda x: x.replace('rel="hub"', 'rel="self"', 1), "F8", ERROR),
    (
        "the hub as its page",
        FeedFormat.RSS,
        lambda x: x.replace("<link>https://courier.example<", "<link>https://hub.example/<"),
        "F8",
        ERROR,
    ),
    ("a relative hub", FeedFormat.RSS, lambda x: x.replace('href="https://hub.example/"', 'href="/hub"'), "F16", ERROR),
    ("a loop of archives", FeedFormat.ATOM, lambda x: x.replace("/archive/2/", "/"), "F17", ERROR),
    ("an entry that is deleted", FeedFormat.ATOM, lambda x: x.replace("stories/gone", "stories/1"), "F20", ERROR),
    (
        "deleted some day",
        FeedFormat.ATOM,
        lambda x: x.replace('when="2026-11-20T08:00:00+00:00"', 'when="once"'),
        "F20",
        ERROR,
    ),
    ("no language", FeedFormat.RSS, lambda x: x.replace("<language>en</language>", ""), "F21", WARNING),
    ("a wrong language", FeedFormat.RSS, lambda x: x.replace(">en<", ">english!<"), "F21", ERROR),
    ("a wrong language", FeedFormat.ATOM, lambda x: x.replace('xml:lang="de"', 'xml:lang="d_e"'), "F21", ERROR),
    ("a file without a size", FeedFormat.RSS, lambda x: x.replace('length="9"', 'length="some"'), "F22", ERROR),
    ("a file without a type", FeedFormat.RSS, lambda x: x.replace('type="audio/mpeg"', ""), "F22", ERROR),
    (
        "a picture's relative address",
        FeedFormat.ATOM,
        lambda x: x.replace('url="https://courier.example/2.png"', 'url="2.png"'),
        "F22",
        ERROR,
    ),
    ("comments beyond counting", FeedFormat.RSS, lambda x: x.replace(">2</slash", ">many</slash"), "F23", ERROR),
    (
        "comments beyond counting",
        FeedFormat.ATOM,
        lambda x: x.replace('thr:count="2"', 'thr:count="two"'),
        "F23",
        ERROR,
    ),
    ("a text of no words", FeedFormat.RSS, lambda x: x.replace(">Two</source", "> </source"), "F24", WARNING),
    ("how often, in words", FeedFormat.RSS, lambda x: x.replace("<ttl>30<", "<ttl>often<"), "F25", ERROR),
    ("a foreign element", FeedFormat.RSS, lambda x: x.replace("<pubDate>", "<date/><pubDate>"), "RSS 2.0", ERROR),
    (
        "a title too many",
        FeedFormat.ATOM,
        lambda x: x.replace("<published>", "<title>x</title><published>"),
        "RFC 4287",
        ERROR,
    ),
    ("another version", FeedFormat.RSS, lambda x: x.replace('version="2.0"', 'version="0.92"'), "RSS 2.0", ERROR),
    ("not closed", FeedFormat.RSS, lambda x: x.replace("</channel>", ""), "XML 1.0", ERROR),
    ("a control character", FeedFormat.ATOM, lambda x: x.replace("Story 1", "Story \x08"), "XML 1.0", ERROR),
    ("a page", FeedFormat.ATOM, lambda _: "<html><body>Not found</body></html>", "F1", ERROR),
]


def _without(text: str, name: str) -> str:
    root = etree.fromstring(text.encode())
    for element in list(root.iter(name)):
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    return etree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(("name", "form", "fault", "rule", "severity"), XML_FAULTS)
def test_a_fault_in_xml_is_found(
    name: str, form: FeedFormat, fault: Callable[[str], str], rule: str, severity: Severity
) -> None:
    good = written(form).decode()
    assert check_document(good.encode()) == []
    bad = fault(good)
    assert bad != good, name
    data = bad.encode()
    assert found_in(data, rule, severity), [str(each) for each in check_document(data)]


JSON_FAULTS: list[tuple[dict[str, Any], dict[str, Any], str, Severity]] = [
    ({"version": "https://jsonfeed.org/version/9"}, {}, "JSON Feed 1.1", ERROR),
    ({"title": ""}, {}, "JSON Feed 1.1", ERROR),
    ({"feed_url": None}, {}, "JSON Feed 1.1", ERROR),
    ({"home_page_url": "/"}, {}, "F8", ERROR),
    ({"next_url": "https://news.courier.example/feeds/all/feed.json"}, {}, "F17", ERROR),
    ({"icon": "icon.png"}, {}, "F25", ERROR),
    ({"hubs": [{"url": "https://hub.example/"}]}, {}, "F16", ERROR),
    ({"language": "de_DE"}, {}, "F21", ERROR),
    ({"author": {"name": "Ines"}}, {}, "F7", WARNING),
    ({"surprise": 1}, {}, "JSON Feed 1.1", WARNING),
    ({"items": {}}, {}, "JSON Feed 1.1", ERROR),
    ({}, {"id": ""}, "F2", ERROR),
    ({}, {"id": 7}, "F2", WARNING),
    ({}, {"id": "https://courier.example/2"}, "F2", WARNING),
    ({}, {"id": "tag:courier.example,2026:stories/1"}, "F2", ERROR),
    ({}, {"date_published": "yesterday"}, "F3", ERROR),
    ({}, {"date_published": "2026-11-20T07:00:00Z"}, "F4", WARNING),
    ({}, {"date_modified": "2026-11-19T07:00:00Z"}, "F3", WARNING),
    ({}, {"content_html": "<iframe src=https://x.example/></iframe>"}, "F6", ERROR),
    ({}, {"title": "a\x08b"}, "F6", ERROR),
    ({}, {"content_html": ""}, "JSON Feed 1.1", ERROR),
    ({}, {"url": "/2"}, "F8", ERROR),
    ({}, {"authors": [{}]}, "F7", ERROR),
    ({}, {"image": "2.png"}, "F22", ERROR),
    ({}, {"attachments": [{"url": "https://courier.example/2.mp3"}]}, "F22", ERROR),
    ({}, {"tags": [1]}, "JSON Feed 1.1", ERROR),
]


@pytest.mark.parametrize(("feed_fault", "item_fault", "rule", "severity"), JSON_FAULTS)
def test_a_fault_in_json_is_found(
    feed_fault: dict[str, Any], item_fault: dict[str, Any], rule: str, severity: Severity
) -> None:
    feed = json.loads(written(FeedFormat.JSON))
    assert check_document(json.dumps(feed).encode()) == []
    feed["items"][0] |= item_fault
    data = json.dumps(feed | feed_fault).encode()
    assert found_in(data, rule, severity), [str(each) for each in check_document(data)]


def test_the_type_and_the_address_must_fit() -> None:
    data = written(FeedFormat.RSS)
    assert check_document(data, "application/rss+xml; charset=utf-8") == []
    assert [each.severity for each in check_document(data, "text/xml")] == [WARNING]
    assert [each.severity for each in check_document(data, "text/html")] == [ERROR]
    assert [each.rule for each in check_document(data, address="https://courier.example/rss")] == ["F8"]


def test_formats_that_disagree_are_found() -> None:
    rss, fewer = written(FeedFormat.RSS), WRITERS[FeedFormat.ATOM](everything(SETTINGS, SAMPLE[:1]))
    assert [each.rule for each in check_agreement({"rss": rss, "atom": fewer})] == ["F1"]


def test_a_fault_of_every_entry_is_told_twenty_times() -> None:
    feed = json.loads(written(FeedFormat.JSON))
    feed["items"] = [feed["items"][0] | {"id": f"tag:courier.example,2026:{n}", "language": "?"} for n in range(500)]
    assert len(check_document(json.dumps(feed).encode())) == 20


@given(st.datetimes().map(lambda time: time.replace(microsecond=0)))
def test_dates_are_read_as_they_were_written(time: Any) -> None:
    aware = time.replace(tzinfo=UTC)
    assert rfc822(xml_elements.rfc822(aware)) == aware
    assert rfc3339(aware.isoformat()) == aware
