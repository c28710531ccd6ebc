"""Any articles, in any order: the three formats parse, agree, and give back exactly what the articles say."""

from __future__ import annotations

import json
import locale
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import feedparser
import jsonschema
import pytest
from feed_articles import FIRST, HOSTILE_TEXTS, article, articles, feed_settings
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from syndicate.core.feeds import WRITERS, FeedDocument, FeedEntry, feed_document
from syndicate.core.feeds.feedgen_documents import EMPTY_FEED_UPDATED
from syndicate.errors import FeedError, UnknownNameError
from syndicate.model import Article, FeedFormat

SETTINGS = feed_settings()
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "data" / "json_feed_1_1.schema.json").read_text())
)
SPACES = {
    "a": "http://www.w3.org/2005/Atom",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "media": "http://search.yahoo.com/mrss/",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
ANYTHING = st.characters()  # with control characters and lone surrogates


def document_of(found: list[Article], **feed: Any) -> FeedDocument:
    return feed_document(feed_settings(**feed), "all", found)[0]


def parsed(form: FeedFormat, document: FeedDocument) -> Any:
    data = WRITERS[form](document)
    return json.loads(data) if form is FeedFormat.JSON else etree.fromstring(data)


def texts_at(element: Any, path: str) -> list[str]:
    return [found if isinstance(found, str) else found.text or "" for found in element.xpath(path, namespaces=SPACES)]


def one(element: Any, path: str) -> str | None:
    found = texts_at(element, path)
    assert len(found) <= 1
    return found[0] if found else None


def rss_time(text: str) -> datetime:
    """A date in the one form that we write (email.utils takes the year 0099 for 1999)."""
    return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


def line(text: str) -> str:
    return " ".join(text.split())


def without_image(html: str, entry: FeedEntry) -> str:
    return html.removeprefix(html.partition("\n")[0] + "\n") if entry.image and html.startswith("<p><img") else html


# What each format says of an entry, in one shape.


def said_by_rss(document: FeedDocument) -> list[dict[str, Any]]:
    root = parsed(FeedFormat.RSS, document)
    said = []
    for item in root.findall("channel/item"):
        published = rss_time(item.findtext("pubDate"))
        modified = one(item, "dcterms:modified")
        encoded, description = one(item, "content:encoded"), one(item, "description")
        entry = next(entry for entry in document.entries if entry.id == item.findtext("guid"))
        assert item.find("guid").get("isPermaLink") == "false"
        assert item.find("author") is None  # it would be an e-mail address
        said.append(
            {
                "id": item.findtext("guid"),
                "title": item.findtext("title"),
                "url": item.findtext("link"),
                "published": published,
                "updated": datetime.fromisoformat(modified) if modified else published,
                "authors": texts_at(item, "dc:creator"),
                "tags": texts_at(item, "category"),
                # RSS's description is HTML; where there is no summary it is the body itself
                "summary": unescape(description or "") if entry.summary else "",
                "html": encoded or "" if entry.summary else description or "",
                "language": one(item, "dc:language"),
                "image": one(item, "media:content/@url"),
                "kind": one(item, "dc:type") or "article",
            }
        )
    return said


def said_by_atom(document: FeedDocument) -> list[dict[str, Any]]:
    said = []
    for entry in parsed(FeedFormat.ATOM, document).findall("a:entry", SPACES):
        summary, kind = one(entry, "a:summary") or "", one(entry, "a:summary/@type")
        assert kind in {"text", "html", None}
        assert kind != "text" or "<" not in summary, "many readers would strip it"
        said.append(
            {
                "id": one(entry, "a:id"),
                "title": one(entry, "a:title"),
                "url": one(entry, "a:link[@rel='alternate'][@type='text/html']/@href"),
                "published": datetime.fromisoformat(one(entry, "a:published") or ""),
                "updated": datetime.fromisoformat(one(entry, "a:updated") or ""),
                "authors": texts_at(entry, "a:author/a:name"),
                "tags": texts_at(entry, "a:category/@term"),
                "summary": unescape(summary) if kind == "html" else summary,
                "html": one(entry, "a:content[@type='html']") or "",
                "language": one(entry, "@xml:lang"),
                "image": one(entry, "media:content/@url"),
                "kind": one(entry, "dc:type") or "article",
            }
        )
        # RFC 4287 4.1.2: an entry without a link must have a content
        assert entry.findall("a:link", SPACES) or entry.findall("a:content", SPACES)
        # … and should say something beside its title, as the W3C's validator reminds of
        assert entry.findall("a:summary", SPACES) or entry.findall("a:content", SPACES)
    return said


def said_by_json(document: FeedDocument) -> list[dict[str, Any]]:
    return [
        {
            "id": item["id"],
            "title": item["title"],
            "url": item.get("url"),
            "published": datetime.fromisoformat(item["date_published"]),
            "updated": datetime.fromisoformat(item.get("date_modified", item["date_published"])),
            "authors": [author["name"] for author in item.get("authors", [])],
            "tags": item.get("tags", []),
            "summary": item.get("summary", ""),
            "html": item.get("content_html", ""),
            "language": item.get("language"),
            "image": item.get("image"),
            "kind": item.get("_syndicate", {}).get("kind", "article"),
        }
        for item in parsed(FeedFormat.JSON, document)["items"]
    ]


def said_by_articles(document: FeedDocument, found: list[Article]) -> list[dict[str, Any]]:
    """What should be said, straight from the articles; addresses and languages by the document's choice."""
    entries = {entry.id: entry for entry in document.entries}
    said = []
    for one_ in sorted(found, key=lambda one_: (one_.published_at, one_.uid), reverse=True):
        entry = entries.get(one_.uid)
        if entry is None:
            continue
        published = one_.published_at.replace(microsecond=0)
        updated = (one_.updated_at or one_.published_at).replace(microsecond=0)
        tags = {line(term).casefold() for term in (*one_.content.tags, one_.content.category or "")} - {""}
        authors = list(dict.fromkeys(line(name).casefold() for name in one_.content.authors if line(name)))
        said.append(
            {
                "id": one_.uid,
                "title": line(one_.content.title),
                "url": entry.url,
                "published": published,
                "updated": max(published, updated),
                "authors": authors,
                "tags": sorted(tags),
                "summary": one_.content.summary.strip(),
                "html": one_.content.html,
                "language": entry.language,
                "image": entry.image.url if entry.image else None,
                "kind": one_.content.kind.value,
            }
        )
    return said


@given(articles())
def test_every_format_gives_back_what_the_articles_say(found: list[Article]) -> None:
    document = document_of(found)
    expected = said_by_articles(document, found)
    entries = {entry.id: entry for entry in document.entries}
    for said in (said_by_rss(document), said_by_atom(document), said_by_json(document)):
        for one_ in said:
            one_["html"] = without_image(one_["html"], entries[one_["id"]])
            one_["authors"] = [name.casefold() for name in one_["authors"]]
            one_["tags"] = sorted(term.casefold() for term in one_["tags"])
        assert said == expected


@given(articles())
def test_the_formats_hold_the_same_entries_in_the_same_order(found: list[Article]) -> None:
    document = document_of(found)
    assert said_by_rss(document) == said_by_atom(document) == said_by_json(document)
    assert [entry.published for entry in document.entries] == sorted(
        (entry.published for entry in document.entries), reverse=True
    )


@given(articles(ANYTHING))
def test_no_article_stops_a_feed(found: list[Article]) -> None:
    document, problems = feed_document(SETTINGS, "all", found)
    assert sorted([entry.id for entry in document.entries] + [problem.item for problem in problems]) == sorted(
        one_.uid for one_ in found
    )
    assert all(problem.error for problem in problems)
    for form in FeedFormat:
        parsed(form, document)


@given(articles(), st.randoms(use_true_random=False))
def test_the_same_content_is_the_same_bytes(found: list[Article], random: Any) -> None:
    elsewhere = [replace(one_, id=random.randrange(10**6), seq=random.randrange(10**6), version=7) for one_ in found]
    random.shuffle(elsewhere)
    for write in WRITERS.values():
        assert write(document_of(found)) == write(document_of(elsewhere))


@given(articles())
def test_json_feeds_are_valid(found: list[Article]) -> None:
    SCHEMA.validate(parsed(FeedFormat.JSON, document_of(found)))
    SCHEMA.validate(parsed(FeedFormat.JSON, document_of(found, content="summary")))


def test_the_schema_refuses_what_is_no_feed() -> None:
    feed = parsed(FeedFormat.JSON, document_of([article(summary="S", authors=("Ann",))]))
    item = feed["items"][0]
    for broken in (
        {key: value for key, value in feed.items() if key != "title"},
        feed | {"version": "https://jsonfeed.org/version/1"},
        feed | {"items": [item | {"id": 7}]},
        feed | {"items": [{key: value for key, value in item.items() if key != "content_text"}]},
        feed | {"items": [item | {"date_published": "yesterday"}]},
        feed | {"items": [item | {"image": "harbour.png"}]},
        feed | {"items": [item | {"authors": [{}]}]},
        feed | {"items": [item | {"surprise": 1}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            SCHEMA.validate(broken)


@given(articles())
def test_no_time_is_in_a_document_that_is_not_in_the_content(found: list[Article]) -> None:
    document = document_of(found)
    known = {time for entry in document.entries for time in (entry.published, entry.updated)}
    rss, atom = parsed(FeedFormat.RSS, document), parsed(FeedFormat.ATOM, document)
    written = {rss_time(text) for text in texts_at(rss, "//pubDate | //lastBuildDate")}
    written |= {datetime.fromisoformat(text) for text in texts_at(atom, "//a:updated | //a:published")}
    assert written <= known | {EMPTY_FEED_UPDATED}
    newest = max((entry.updated for entry in document.entries), default=None)
    assert atom.findtext("a:updated", namespaces=SPACES) == (newest or EMPTY_FEED_UPDATED).isoformat()
    built = rss.findtext("channel/lastBuildDate")
    assert (rss_time(built) if built else None) == newest


@pytest.mark.parametrize("title", HOSTILE_TEXTS)
def test_titles_are_escaped_once(title: str) -> None:
    document = document_of([article(title=title)])
    assert said_by_rss(document)[0]["title"] == said_by_atom(document)[0]["title"] == title
    raw = WRITERS[FeedFormat.RSS](document).decode()
    written = re.findall("<title>(.*)</title>", raw)[1]
    # hexadecimal references only (RSS profile): what readers decode exactly once
    assert not re.search("[<>]|&(?!#x(26|3C|3E);)", written)
    assert "CDATA" not in raw or "CDATA" in title


def test_the_feed_says_who_and_where_it_is() -> None:
    document = document_of([article(1), article(2, edited=FIRST + timedelta(days=3))], ttl="45m")
    rss, atom = parsed(FeedFormat.RSS, document), parsed(FeedFormat.ATOM, document)
    channel = rss.find("channel")
    assert rss.get("version") == "2.0"
    assert channel.findtext("link") == "https://courier.example"
    assert channel.findtext("ttl") == "45"
    assert channel.findtext("docs") == "https://www.rssboard.org/rss-specification"
    assert channel.findtext("generator") == "Syndicate"
    assert channel.findtext("language") == "en"
    assert channel.findtext("copyright") == "© Harbour Media"
    assert channel.findtext("lastBuildDate") == "Mon, 23 Nov 2026 08:00:00 GMT"
    assert texts_at(channel, "a:link[@rel='self']/@href") == ["https://news.courier.example/feeds/all/rss.xml"]
    assert texts_at(atom, "a:link[@rel='self']/@href") == ["https://news.courier.example/feeds/all/atom.xml"]
    assert texts_at(atom, "a:link[@rel='alternate']/@href") == ["https://courier.example"]
    assert texts_at(atom, "a:author/a:name") == ["Harbour Media"]
    assert texts_at(atom, "a:rights") == ["© Harbour Media"]
    assert texts_at(atom, "@xml:lang") == ["en"]
    assert parsed(FeedFormat.JSON, document)["feed_url"] == "https://news.courier.example/feeds/all/feed.json"


def test_an_edit_moves_updated_and_not_the_order() -> None:
    document = document_of([article(1, edited=FIRST + timedelta(days=1)), article(2)])
    assert [entry.id[-1] for entry in document.entries] == ["2", "1"]
    assert [entry.edited for entry in document.entries] == [False, True]
    items = parsed(FeedFormat.RSS, document).findall("channel/item")
    assert [one(item, "dcterms:modified") for item in items] == [None, "2026-11-21T08:00:00+00:00"]


def test_a_feed_of_summaries_leaves_the_bodies_out() -> None:
    found = [article(1, html="<p>The body.</p>", summary="The summary."), article(2, html="<p>The body.</p>", url=None)]
    document = document_of(found, content="summary")
    for form, write in WRITERS.items():
        data = write(document).decode()
        assert "The body" not in data, form
        assert "The summary" in data, form


def test_an_empty_feed_is_a_valid_document() -> None:
    document = document_of([])
    assert document.updated is None
    assert parsed(FeedFormat.RSS, document).findall("channel/item") == []
    assert parsed(FeedFormat.ATOM, document).findtext("a:updated", namespaces=SPACES) == "1990-01-01T00:00:00+00:00"
    SCHEMA.validate(parsed(FeedFormat.JSON, document))
    for form in (FeedFormat.RSS, FeedFormat.ATOM):
        assert not feedparser.parse(WRITERS[form](document)).bozo


TAME = st.characters(categories=["L", "Nd"], include_characters=" .,:;!?'-")


def repaired(text: str) -> str:
    """What feedparser makes of a text that could be UTF-8 taken for Latin-1 and encoded once more, such as "Âª"."""
    try:
        return text.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return text


@given(articles(TAME, hostile=False))
@example([article(1, title="Âª", authors=("Ã©",))])
def test_feedparser_reads_both_xml_formats_alike(found: list[Article]) -> None:
    document = document_of(found)
    for form in (FeedFormat.RSS, FeedFormat.ATOM):
        read = feedparser.parse(WRITERS[form](document))
        assert not read.bozo, read.get("bozo_exception")
        assert read.version == {FeedFormat.RSS: "rss20", FeedFormat.ATOM: "atom10"}[form]
        assert [entry.id for entry in read.entries] == [entry.id for entry in document.entries]
        for seen, entry in zip(read.entries, document.entries, strict=True):
            assert repaired(seen.title) == repaired(entry.title)
            assert seen.get("link") == entry.url or entry.url is None  # then it takes the id for one
            names = [author.get("name", "") for author in seen.get("authors", []) if author]
            assert [*map(repaired, names)] == [*map(repaired, entry.authors)]
            assert [repaired(tag.term) for tag in seen.get("tags", [])] == [*map(repaired, entry.categories)]
            if entry.published.year >= 1900:  # feedparser's own limit
                assert tuple(seen.published_parsed)[:6] == entry.published.timetuple()[:6]


def test_feeds_of_one_language_are_in_that_language() -> None:
    document = document_of([article(1, language="de"), article(2, language="de-AT")], languages=["de"])
    assert document.language == "de"
    assert [entry.language for entry in document.entries] == ["de-AT", None]


def test_texts_of_another_publisher_are_not_shown_as_the_sites_own() -> None:
    document = document_of(
        [
            article(3, publisher="Coastwire"),
            article(2, publisher="Coastwire", authors=("Ada Skerry",)),
            article(1, publisher="Harbour Media"),
        ]
    )
    assert [entry.authors for entry in document.entries] == [("Coastwire",), ("Ada Skerry",), ()]


def test_the_picture_is_in_the_body_once() -> None:
    picture: dict[str, Any] = {"image": "https://courier.example/a&b.svg", "image_alt": 'The "Ellen"'}
    shown = '<p>x <img src="https://courier.example/a&amp;b.svg"></p>'
    entries = document_of(
        [article(3, html="<p>x</p>", **picture), article(2, html=shown, **picture), article(1, **picture)]
    ).entries
    assert entries[0].html == (
        '<p><img src="https://courier.example/a&amp;b.svg" alt="The &quot;Ellen&quot;"></p>\n<p>x</p>'
    )
    assert entries[1].html == shown
    assert entries[2].html == ""
    assert entries[0].image
    assert entries[0].image.media_type == "image/svg+xml"


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        ("https://courier.example/a b/ü?q=ä&x=%20#f", "https://courier.example/a%20b/%C3%BC?q=%C3%A4&x=%20#f"),
        ("https://möwenhagen.example:8443/x", "https://xn--mwenhagen-07a.example:8443/x"),
        ("https://[::1]:8000/x", "https://[::1]:8000/x"),
        ("javascript:alert(1)", None),
        ("/relative", None),
        ("https://", None),
        ("https://[x/", None),
        ("https://courier.example:port/", None),
        ("https://\u2028.example/", None),
        ("https://courier.example/\x07", None),
        (None, None),
    ],
)
def test_addresses_become_uris_or_nothing(given_: str | None, written: str | None) -> None:
    assert document_of([article(url=given_)]).entries[0].url == written


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"title": "a\x07b"}, "U+0007"),
        ({"html": "\ud800"}, "U+D800"),
        ({"tags": ("\ufffe",)}, "U+FFFE"),
        ({"title": " "}, "no title"),
        ({"uid": "no id"}, "no permanent id"),
        ({"uid": "tag:courier.example,2026:stories/2"}, "same id"),
    ],
)
def test_an_article_that_no_document_can_hold_is_left_out_and_named(fault: dict[str, Any], reason: str) -> None:
    document, problems = feed_document(SETTINGS, "all", [article(2), article(1, **fault)])
    assert [entry.id[-1] for entry in document.entries] == ["2"]
    assert len(problems) == 1
    assert reason in problems[0].error


@pytest.mark.parametrize("name", ["..", "a/b", "a b", ".hidden", "é"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    settings = SETTINGS.model_copy(update={"feed": {name: SETTINGS.feed["all"]}})
    with pytest.raises(FeedError, match="letters, digits"):
        feed_document(settings, name)


def test_an_unknown_feed_is_named() -> None:
    with pytest.raises(UnknownNameError, match="there is: all"):
        feed_document(SETTINGS, "al")


def test_a_feed_is_told_apart_by_its_name_when_there_are_several() -> None:
    feed = SETTINGS.feed["all"]
    assert feed_document(SETTINGS, "all")[0].title == "The Harbour Courier"
    several = SETTINGS.model_copy(update={"feed": {"all": feed, "port": feed.model_copy(update={"title": "The Port"})}})
    assert feed_document(several, "all")[0].title == "The Harbour Courier: all"
    assert feed_document(several, "port")[0].title == "The Port"
    untitled = SETTINGS.model_copy(update={"site": SETTINGS.site.model_copy(update={"title": "", "description": ""})})
    assert feed_document(untitled, "all")[0].title == feed_document(untitled, "all")[0].description == "all"


@contextmanager
def process_locale(name: str) -> Iterator[None]:
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, name)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def test_the_process_locale_is_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    document = document_of([article(number, edited=FIRST + timedelta(days=9)) for number in range(50)])
    with process_locale("C.UTF-8"):
        expected = locale.setlocale(locale.LC_ALL)
        seen: set[str] = set()
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                for writer in WRITERS.values():
                    writer(document)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20_000):
            seen.add(locale.setlocale(locale.LC_ALL))
        stop.set()
        for thread in threads:
            thread.join()
        assert seen == {expected}
        assert locale.setlocale(locale.LC_ALL) == expected

    def trip(*_: object) -> str:
        raise AssertionError("setlocale was called")

    monkeypatch.setattr(locale, "setlocale", trip)
    for writer in WRITERS.values():
        writer(document)
