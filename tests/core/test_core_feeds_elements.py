"""What an entry says beside its text: pictures, files, comments, Markdown; authors without addresses; OPML."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from feed_articles import FIRST, article, everything, feed_settings
from lxml import etree

from syndicate.core.feeds import WRITERS, FeedDocument, Outline, Related, Tombstone, feed_document
from syndicate.core.feeds.entries import without_mail
from syndicate.core.feeds.opml import opml
from syndicate.core.feeds.uris import is_web_address, web_address
from syndicate.model import Attachment, FeedFormat

PICTURE = "https://courier.example/a.png"


def document_of(**given: Any) -> FeedDocument:
    document, problems = feed_document(
        feed_settings(**given.pop("feed", {})), "all", [article(html="<p>x</p>", **given)]
    )
    assert not problems
    return document


def test_the_size_of_a_picture_is_the_one_it_is_shown_with() -> None:
    shown = f'<p><img alt="x" src="{PICTURE}" width="640" height="480"></p>'
    for html, size in ((shown, (640, 480)), (shown.replace("640", "50%"), (None, None)), ("<p>x</p>", (None, None))):
        document, _ = feed_document(feed_settings(), "all", [article(html=html, image=PICTURE)])
        image = document.entries[0].image
        assert image
        assert (image.width, image.height) == size
    assert b'width="640" height="480"' in WRITERS[FeedFormat.ATOM](
        feed_document(feed_settings(), "all", [article(html=shown, image=PICTURE)])[0]
    )


@pytest.mark.parametrize(
    ("count", "url", "said"),
    [
        (3, "https://courier.example/c", True),
        (None, "https://courier.example/c", True),
        (0, "https://courier.example/c", False),
        (3, None, False),
    ],
)
def test_comments_are_told_only_where_there_are_any(count: int | None, url: str | None, said: bool) -> None:
    document = document_of(comments=count, comments_url=url, comments_feed="https://courier.example/c.xml")
    rss, atom = WRITERS[FeedFormat.RSS](document), WRITERS[FeedFormat.ATOM](document)
    for mark, data in ((b"<comments>", rss), (b"<wfw:commentRss>", rss), (b'rel="replies"', atom)):
        assert (mark in data) is said, mark
    for mark, data in ((b"<slash:comments>", rss), (b"thr:count", atom), (b"<thr:total>", atom)):
        assert (mark in data) is (said and count is not None), mark
    assert (b"xmlns:thr" in atom) is said


def test_one_enclosure_in_rss_and_all_files_elsewhere() -> None:
    files = (
        Attachment(url="https://courier.example/a.mp3", type="", length=None),
        Attachment(url="https://courier.example/b", type="nothing", length=7),
        Attachment(url="https://courier.example/a.mp3", type="audio/ogg", length=1),
        Attachment(url="ftp://courier.example/c", type="a/b", length=1),
    )
    document = document_of(attachments=files)
    rss = etree.fromstring(WRITERS[FeedFormat.RSS](document))
    assert [dict(each.attrib) for each in rss.iter("enclosure")] == [
        {"url": "https://courier.example/a.mp3", "length": "0", "type": "audio/mpeg"}
    ]
    atom = etree.fromstring(WRITERS[FeedFormat.ATOM](document))
    links = [each for each in atom.iter("{*}link") if each.get("rel") == "enclosure"]
    assert [(each.get("href"), each.get("type"), each.get("length")) for each in links] == [
        ("https://courier.example/a.mp3", "audio/mpeg", None),
        ("https://courier.example/b", "application/octet-stream", "7"),
    ]
    (item,) = json.loads(WRITERS[FeedFormat.JSON](document))["items"]
    assert item["attachments"][1] == {
        "url": "https://courier.example/b",
        "mime_type": "application/octet-stream",
        "size_in_bytes": 7,
    }


@pytest.mark.parametrize(
    ("markdown", "stands"),
    [
        (
            "A [link](https://courier.example/a), ![a](<http://courier.example/b.png>), <https://courier.example/c>.",
            True,
        ),
        ("See [this][1], 3 < 4, a [sic] and (so).\n\n[1]: https://courier.example/", True),
        ("Write to [us](mailto:desk@courier.example) or see [below](#end)", True),
        ("<script>alert(1)</script>", False),
        ("An <img src=x onerror=alert(1)>", False),
        ("[x](javascript:alert(1))", False),
        ("[x]( \n JavaScript&colon;alert(1))", False),
        ("[x](<java\tscript:alert(1)>)", False),
        ("[x][1]\n\n[1]: data:text/html,x", False),
        ("<javascript:alert(1)>", False),
        ("[tides](/port/tides)", False),
        ("![tides](tides.png)", False),
    ],
)
def test_markdown_stands_there_only_where_nobody_can_make_something_else_of_it(markdown: str, *, stands: bool) -> None:
    assert (b"<source:markdown>" in WRITERS[FeedFormat.RSS](document_of(markdown=markdown))) is stands


def test_markdown_stands_in_rss_beside_whole_articles_only() -> None:
    assert b"<source:markdown>*x*</source:markdown>" in WRITERS[FeedFormat.RSS](document_of(markdown="*x*"))
    for document in (document_of(markdown="*x*", feed={"content": "summary"}), document_of()):
        assert b"scripting.com" not in WRITERS[FeedFormat.RSS](document)


def test_related_texts_are_linked() -> None:
    document = document_of(url="https://courier.example/1")
    entry = replace(document.entries[0], related=(Related(url="https://courier.example/2", title="A & B"),))
    document = replace(document, entries=(entry,))
    for form in (FeedFormat.RSS, FeedFormat.ATOM):
        links = etree.fromstring(WRITERS[form](document)).iter("{http://www.w3.org/2005/Atom}link")
        assert [each.get("title") for each in links if each.get("rel") == "related"] == ["A & B"]


def test_what_was_taken_back_is_told_until_it_comes_back() -> None:
    document = replace(
        document_of(),
        tombstones=(
            Tombstone(id="tag:courier.example,2026:stories/1", when=FIRST),
            Tombstone(id="tag:courier.example,2026:stories/7", when=FIRST + timedelta(days=2)),
        ),
    )
    atom = etree.fromstring(WRITERS[FeedFormat.ATOM](document))
    assert [each.get("ref") for each in atom.iter("{*}deleted-entry")] == ["tag:courier.example,2026:stories/7"]
    assert atom.findtext("{*}updated") == "2026-11-22T08:00:00+00:00"


def test_an_archive_has_the_id_of_its_feed() -> None:
    document = everything(feed_settings(), [article()])
    archive = replace(document, base=f"{document.base}/archive/1", current=document.base, archive=True)
    ids = {etree.fromstring(WRITERS[FeedFormat.ATOM](each)).findtext("{*}id") for each in (document, archive)}
    assert ids == {"https://news.courier.example/feeds/all/atom.xml"}
    assert json.loads(WRITERS[FeedFormat.JSON](document))["next_url"] == f"{document.base}/archive/2/feed.json"


@pytest.mark.parametrize(
    ("author", "shown"),
    [
        ("Ines Hale", "Ines Hale"),
        ("Ines Hale <ines@courier.example>", "Ines Hale"),
        ("ines@courier.example (Ines Hale)", "Ines Hale"),
        ("Ines Hale (mailto:ines@courier.example)", "Ines Hale"),
        ("ines@courier.example", ""),
        ("@ines", "@ines"),
    ],
)
def test_no_address_of_an_author_is_published(author: str, shown: str) -> None:
    assert without_mail(author) == shown


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("https://courier.example/100%", "https://courier.example/100%25"),
        ("https://courier.example/a[1]?b={c}", "https://courier.example/a%5B1%5D?b=%7Bc%7D"),
        ("https://a b.example/", None),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
    ],
)
def test_an_address_that_is_written_is_a_valid_one(given: str, written: str | None) -> None:
    assert web_address(given) == written
    assert written is None or is_web_address(written)


def test_opml_lists_what_can_be_followed() -> None:
    ports = Outline(
        title='The "Port" & quay',
        xml_url="https://courier.example/port.xml",
        html_url="https://courier.example/",
        language="en",
    )
    data = opml("The Harbour Courier", [ports, Outline(title="Authors", outlines=(ports,))])
    assert data == opml("The Harbour Courier", [ports, Outline(title="Authors", outlines=(ports,))])
    root = etree.fromstring(data)
    assert (root.tag, root.get("version"), root.findtext("head/title")) == ("opml", "2.0", "The Harbour Courier")
    first, group = root.findall("body/outline")
    assert {str(name): str(value) for name, value in first.attrib.items()} == {
        "text": 'The "Port" & quay',
        "title": 'The "Port" & quay',
        "type": "rss",
        "xmlUrl": "https://courier.example/port.xml",
        "htmlUrl": "https://courier.example/",
        "language": "en",
    }
    assert group.get("type") is None
    assert [each.get("xmlUrl") for each in group] == ["https://courier.example/port.xml"]
