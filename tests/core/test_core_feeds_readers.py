"""Independent readers recover from our feeds what they recover from a reference feed, written by hand for this test."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from feed_articles import FIRST, HOSTILE_TEXTS, article, everything, feed_settings
from feed_readers import JSON_READERS, PROGRAMS, READERS, words

from syndicate.core.feeds import WRITERS
from syndicate.core.feeds.document import FeedDocument
from syndicate.model import Attachment, FeedFormat

pytestmark = pytest.mark.slow

ARTICLES = [
    article(
        20 + number,
        url=f"https://courier.example/hostile/{number}?a=1&b=2",
        title=title,
        html=f"<p>Body &amp; soul of number {number}: <em>emphasis</em>, 1 &lt; 2.</p>",
        summary=f"Number {number}",
        authors=("Ines Hale",),
    )
    for number, title in enumerate(HOSTILE_TEXTS)
] + [
    article(
        9,
        url="https://courier.example/port/crane",
        title="The old crane\u2019s last lift",
        html='<p>It took an hour.</p><p><a href="https://courier.example/buns">Tea &amp; buns</a> were free.</p>',
        summary="An hour on the quay",
        authors=("Ines Hale", "Tobias Quill"),
        category="Port",
        tags=("cranes", "history"),
        edited=FIRST + timedelta(days=2),
        attachments=(Attachment(url="https://courier.example/horn.mp3", type="audio/mpeg", length=481516),),
        image="https://courier.example/crane.png",
        comments=3,
        comments_url="https://courier.example/port/crane#c",
        markdown="It took an hour.",
    ),
    article(
        8,
        url="https://courier.example/he",
        title="שעת הגאות",
        html="<p>הגאות בשבע.</p>",
        language="he",
        authors=("יעל",),
    ),
    article(
        7, url="https://courier.example/ja", title="大漁旗", html="<p>旗が揚がる。</p>", language="ja", authors=("海",)
    ),
    article(6, url="https://courier.example/bare", title="A title and a line", html="<p>One line.</p>", authors=("A",)),
]
DOCUMENT = everything(feed_settings(), ARTICLES)


def reference_rss(document: FeedDocument) -> bytes:
    items = [
        f"<item><title>{escape(entry.title)}</title><link>{escape(entry.url or '')}</link>"
        f'<guid isPermaLink="false">{entry.id}</guid><pubDate>{format_datetime(entry.published)}</pubDate>'
        + "".join(f"<dc:creator>{escape(author)}</dc:creator>" for author in entry.authors)
        + "".join(f"<category>{escape(category)}</category>" for category in entry.categories)
        + "".join(
            f'<enclosure url="{escape(file.url)}" length="{file.length}" type="{file.type}"/>'
            for file in entry.attachments
        )
        + (f"<description>{escape(escape(entry.summary))}</description>" if entry.summary else "")
        + f"<content:encoded>{escape(entry.html)}</content:encoded></item>"
        for entry in document.entries
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>The Harbour Courier</title>'
        f"<link>https://courier.example</link><description>x</description>{''.join(items)}</channel></rss>"
    ).encode()


def reference_atom(document: FeedDocument) -> bytes:
    entries = [
        f"<entry><id>{entry.id}</id><title>{escape(entry.title)}</title><link href={quoteattr(entry.url or '')}/>"
        f"<published>{entry.published.isoformat()}</published><updated>{entry.updated.isoformat()}</updated>"
        + "".join(f"<author><name>{escape(author)}</name></author>" for author in entry.authors)
        + "".join(f"<category term={quoteattr(category)}/>" for category in entry.categories)
        + "".join(
            f'<link rel="enclosure" href={quoteattr(file.url)} length="{file.length}" type="{file.type}"/>'
            for file in entry.attachments
        )
        + (f"<summary>{escape(entry.summary)}</summary>" if entry.summary else "")
        + f'<content type="html">{escape(entry.html)}</content></entry>'
        for entry in document.entries
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>The Harbour Courier'
        f"</title><id>tag:courier.example,2026:x</id><updated>2026-11-22T00:00:00Z</updated>{''.join(entries)}</feed>"
    ).encode()


def reference_json(document: FeedDocument) -> bytes:
    items = [
        {
            "id": entry.id,
            "url": entry.url,
            "title": entry.title,
            "summary": entry.summary,
            "content_html": entry.html,
            "date_published": entry.published.isoformat(),
            **({"date_modified": entry.updated.isoformat()} if entry.edited else {}),
            "authors": [{"name": author} for author in entry.authors],
            "tags": list(entry.categories),
            "attachments": [
                {"url": file.url, "mime_type": file.type, "size_in_bytes": file.length} for file in entry.attachments
            ],
        }
        for entry in document.entries
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "The Harbour Courier", "items": items}
    return json.dumps(feed).encode()


REFERENCES = {FeedFormat.RSS: reference_rss, FeedFormat.ATOM: reference_atom, FeedFormat.JSON: reference_json}
BOTH = [
    (reader, form) for reader in READERS for form in REFERENCES if form is not FeedFormat.JSON or reader in JSON_READERS
]


def require(reader: str) -> None:
    probe, package = PROGRAMS.get(reader, ((), ""))
    if not probe:
        return
    try:
        there = subprocess.run(probe, input=b"", capture_output=True, check=False, timeout=60).returncode == 0
    except FileNotFoundError:
        there = False
    if not there:
        message = f"{reader} is not installed; on Debian and Ubuntu: apt install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.mark.parametrize(("reader", "form"), BOTH)
def test_a_reader_recovers_as_much_as_from_a_reference(reader: str, form: FeedFormat, tmp_path: Path) -> None:
    require(reader)
    said = {}
    for name, data in (("ours", WRITERS[form](DOCUMENT)), ("reference", REFERENCES[form](DOCUMENT))):
        folder = tmp_path / name
        folder.mkdir()
        said[name] = READERS[reader](data, folder)
    assert said["ours"].keys() == {entry.id for entry in DOCUMENT.entries}
    for entry in DOCUMENT.entries:
        ours, reference = said["ours"][entry.id], said["reference"][entry.id]
        for name, value in reference.items():
            # Where the two differ, ours must be what the article says: dcterms:modified is an example.
            assert ours[name] == value or (name == "updated" and ours[name] == int(entry.updated.timestamp())), name
        check_truth(entry, ours)


def check_truth(entry: Any, ours: dict[str, Any]) -> None:
    """What no reader may lose, whatever the reference gives it."""
    assert ours["link"] == entry.url
    assert ours["published"] == int(entry.published.timestamp())
    assert words(entry.html) in ours["body"]
    assert any(author in str(ours["authors"]) for author in entry.authors)  # some keep one of several


@pytest.mark.parametrize(
    ("reader", "form"), [(reader, form) for reader, form in BOTH if reader not in {"feedparser", "rss2email"}]
)
def test_titles_that_talk_about_tags_survive(reader: str, form: FeedFormat, tmp_path: Path) -> None:
    require(reader)
    found = READERS[reader](WRITERS[form](DOCUMENT), tmp_path)
    assert {id_: seen["title"] for id_, seen in found.items()} == {entry.id: entry.title for entry in DOCUMENT.entries}
