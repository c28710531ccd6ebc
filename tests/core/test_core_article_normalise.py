from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Site
from syndicate.config.sources import FolderSource
from syndicate.core.article.fields import MAX_NAME
from syndicate.core.article.normalise import ArticleDefaults, normalise, shifted
from syndicate.core.article.text import clean_line, clean_text
from syndicate.errors import ArticleError
from syndicate.model import ArticleContent, ArticleKind, SourceItem

DEFAULTS = ArticleDefaults(
    publisher="Harbour Media",
    language="en",
    zone=ZoneInfo("Europe/London"),
    base="https://courier.example/",
    max_size=5000,
)


def read(body: str = "", form: str = "html", item: str = "port/ferry.md", **fields: Any) -> ArticleContent:
    return normalise(SourceItem(item=item, stamp="1", fields=fields, body=body, format=form), DEFAULTS)


NAIVE = datetime.fromisoformat("2026-07-01T12:00:00.000999")


def test_all_fields() -> None:
    content = read(
        "At *twenty* to midnight\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n",
        "markdown",
        id="hc-0007",
        title="The night ferry <returns> & stays",
        url="/port/ferry",
        author=["Ines Farrow", "Hesper Doyle"],
        publisher="The Courier",
        category="port",
        tags="ferry, Skerra,, ferry",
        date="2026-11-15T10:30:00+01:00",
        updated="Sun, 15 Nov 2026 17:05:00 GMT",
        expires=date(2027, 1, 1),
        withdrawn="no",
        pinned="yes",
        kind="Notice",
        summary="Short\nand good",
        image="/media/a.png",
        image_alt="A ferry",
        language="pt_br",
        comments="23",
        comments_url="#comments",
        popularity=Decimal("9.5"),
    )
    assert content == ArticleContent(
        key="hc-0007",
        title="The night ferry <returns> & stays",
        url="https://courier.example/port/ferry",
        html=content.html,
        markdown=content.markdown,
        summary="Short and good",
        authors=("Ines Farrow", "Hesper Doyle"),
        publisher="The Courier",
        category="port",
        tags=("ferry", "Skerra"),
        language="pt-BR",
        published_at=datetime(2026, 11, 15, 9, 30, tzinfo=UTC),
        updated_at=datetime(2026, 11, 15, 17, 5, tzinfo=UTC),
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        pinned=True,
        kind=ArticleKind.NOTICE,
        image="https://courier.example/media/a.png",
        image_alt="A ferry",
        comments=23,
        comments_url="https://courier.example/port/ferry#comments",
        popularity=9.5,
    )
    assert "<em>twenty</em>" in content.html
    assert "<s>2</s>" in content.html
    assert content.markdown is not None


def test_the_least_gets_the_defaults() -> None:
    content = read("<h1>The <em>tuba</em> was found</h1><p>It was in the boat.</p>")
    assert content.key == "port/ferry"
    assert content.title == "The tuba was found"
    assert content.html == "<p>It was in the boat.</p>"
    assert content.summary == "It was in the boat."
    assert (content.publisher, content.language, content.url, content.published_at) == (
        "Harbour Media",
        "en",
        None,
        None,
    )


def test_a_first_heading_that_says_something_else_stays() -> None:
    assert read("<h2>Other</h2><p>x</p>", title="Title").html.startswith("<h2>Other</h2>")
    assert read("<h2>TITLE</h2><p>x</p>", title="Title").html == "<p>x</p>"


def test_text_becomes_paragraphs() -> None:
    assert (
        read("One <b>\nline\n\n\nTwo & three", "text", title="T").html
        == "<p>One &lt;b&gt;<br>\nline</p>\n<p>Two &amp; three</p>"
    )


def test_a_summary_is_made_from_running_text() -> None:
    body = "<h2>Head</h2><figure><img src='/x.png' alt=''><figcaption>Caption</figcaption></figure><p>One &amp; two.</p><p>Three.</p>"
    assert read(body, title="T").summary == "One & two. Three."
    assert read("<h2>Only heads</h2>", title="T").summary == "Only heads"
    long = read("<p>" + "Word after word. " * 100 + "</p>", title="T").summary
    assert 140 <= len(long) <= 280
    assert long.endswith("word.")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 7, 1), datetime(2026, 6, 30, 23, tzinfo=UTC)),  # midnight of British summer time
        (NAIVE, datetime(2026, 7, 1, 11, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("20261122", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22 07:30", datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("2026-11-22T07:30:00Z", datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("Sun, 22 Nov 2026 07:30:00 -0500", datetime(2026, 11, 22, 12, 30, tzinfo=UTC)),
        (1795332600, datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("1795332600", datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        (1795332600000, datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_dates(value: Any, expected: datetime | None) -> None:
    assert read(title="T", date=value).published_at == expected


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01",
        "9999-12-31",
        NAIVE.replace(year=1),
        NAIVE.replace(year=9999),
        "0000-00-00 00:00:00",
        "soon",
        "2026-13-45",
        True,
        [1],
        {},
        1e300,
        float("nan"),
        "infinity",
        "99999999999999999999",
    ],
)
def test_nonsense_dates_are_named(value: Any) -> None:
    with pytest.raises(ArticleError, match="date: "):
        read(title="T", date=value)


def test_an_expiry_in_the_year_9999_is_never() -> None:
    assert read(title="T", expires="9999-12-31 23:59:59").expires_at is None
    assert read(title="T", expires=datetime(9999, 12, 31, tzinfo=UTC)).expires_at is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "it has no title"),
        ({"title": "  "}, "it has no title"),
        ({"title": {"en": "x"}}, "title: expected a text"),
        ({"title": "x" * 1001}, "title: 1001 characters"),
        ({"title": "T", "url": "ftp://x.example"}, "url: expected an address"),
        ({"title": "T", "url": "javascript:alert(1)"}, "url: expected an address"),
        ({"title": "T", "kind": "podcast"}, "kind: expected one of article, column, notice, correction"),
        ({"title": "T", "withdrawn": "perhaps"}, "withdrawn: expected true or false"),
        ({"title": "T", "popularity": "high"}, "popularity: expected a number"),
        ({"title": "T", "popularity": float("inf")}, "popularity: expected a number"),
        ({"title": "T", "comments": -1}, "comments: expected a whole number"),
        ({"title": "T", "comments": 2**31}, "comments: expected a whole number"),
        ({"title": "T", "language": "English!"}, "language: expected a language tag"),
        ({"title": "T", "id": "x" * 501}, "id: 501 characters"),
        ({"title": "T", "tags": ["x" * 201]}, "tags: 201 characters"),
        ({"title": "T", "author": [{"mail": 1}, [2]]}, "author: expected a text"),
    ],
)
def test_what_cannot_be_taken_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ArticleError, match=message):
        read(**fields)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("EN", "en"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("de_1996", "de-1996"),
        ("en-x-US", "en-x-us"),
        (" ", "en"),
        ("i-klingon", "i-klingon"),
    ],
)
def test_language_tags_are_written_in_one_way(tag: str, expected: str) -> None:
    assert read(title="T", language=tag).language == expected


def test_bytes_are_text_if_they_can_be() -> None:
    assert read(title=memoryview("Möwe".encode()), tags="[broken, json").tags == ("[broken", "json")
    with pytest.raises(ArticleError, match="title: the bytes are no UTF-8"):
        read(title=b"\xff")
    with pytest.raises(ArticleError, match="its path is no usable id"):
        read(title="T", item="x" * 501)


def test_what_cannot_be_reached_is_left_out() -> None:
    content = read(title="T", image="ftp://x.example/a.png", comments_url="mailto:x@y.example", comments=True)
    assert (content.image, content.comments_url, content.comments) == (None, None, None)


def test_a_relative_address_without_a_site_says_what_is_missing() -> None:
    item = SourceItem(item="a", stamp="", fields={"title": "T", "url": "/a"})
    with pytest.raises(ArticleError, match=r"relative ones need \[site\] url"):
        normalise(item, ArticleDefaults())


def test_size_is_checked_before_anything_else() -> None:
    with pytest.raises(ArticleError, match="5,001 bytes; more than 5,000"):
        read("x" * 5001, title="T")
    with pytest.raises(ArticleError, match="5,002 bytes"):
        read("é" * 2501, title="T")
    assert read("é" * 2500, title="T").html


def test_names_of_fields_are_written_by_people() -> None:
    item = SourceItem(item="a", stamp="", fields={"Title": "T", " Image-Alt": "x", "tags": '["a", "b"]'})
    content = normalise(item, DEFAULTS)
    assert (content.title, content.image_alt, content.tags) == ("T", "x", ("a", "b"))
    assert read(title="T", authors=[{"name": "Ines Farrow"}, "Ines Farrow"]).authors == ("Ines Farrow",)


def test_what_the_reader_could_not_read_stays_its_error() -> None:
    with pytest.raises(ArticleError, match="no UTF-8"):
        normalise(SourceItem(item="a", stamp="", error="it is no UTF-8 text"), DEFAULTS)


def test_defaults_come_from_the_source_then_the_site() -> None:
    site = Site(
        title="The Harbour Courier", url="https://courier.example/paper/", language="en", timezone="Europe/London"
    )
    defaults = ArticleDefaults.of(site, FolderSource.model_validate({"type": "folder", "path": "x", "language": "DE"}))
    assert defaults == ArticleDefaults(
        publisher="The Harbour Courier",
        language="de",
        zone=ZoneInfo("Europe/London"),
        base="https://courier.example/paper/",
        max_size=10_000_000,
    )


def test_dates_can_be_moved() -> None:
    content = read(title="T", date="2026-11-22", expires="2026-11-23")
    moved = shifted(content, timedelta(days=-1))
    assert moved.published_at == datetime(2026, 11, 21, tzinfo=UTC)
    assert moved.expires_at == datetime(2026, 11, 22, tzinfo=UTC)
    assert moved.updated_at is None
    assert shifted(content, timedelta()) is content
    with pytest.raises(ArticleError, match="cannot be moved"):
        shifted(content, timedelta(days=3_000_000))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=20),
    st.decimals(),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "id",
        "title",
        "url",
        "author",
        "authors",
        "publisher",
        "category",
        "tags",
        "date",
        "published_at",
        "updated",
        "updated_at",
        "expires",
        "withdrawn",
        "pinned",
        "kind",
        "summary",
        "image",
        "image_alt",
        "language",
        "comments",
        "comments_url",
        "comments_feed",
        "attachments",
        "enclosures",
        "popularity",
    ]
)


@given(
    st.dictionaries(NAMES, JUNK, max_size=8),
    st.text(st.characters(), max_size=200),
    st.sampled_from(["markdown", "html", "text"]),
    st.booleans(),
)
def test_any_junk_gives_a_clean_article_or_an_error(fields: dict[str, Any], body: str, form: str, titled: bool) -> None:
    if titled:
        fields = fields | {"title": "T"}
    try:
        content = read(body, form, **fields)
    except ArticleError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert len(message) < 600
        assert "\n" not in message
        return
    assert content.title == clean_line(content.title) != ""
    assert content.html == clean_text(content.html)
    assert len(content.summary) <= 2000
    for name in (
        content.title,
        content.summary,
        *content.authors,
        *content.tags,
        content.category or "",
        content.image_alt,
    ):
        assert clean_line(name) == name
    assert all(0 < len(name) <= MAX_NAME for name in (*content.authors, *content.tags))
    assert 0 < len(content.key) <= 500
    for address in (
        content.url,
        content.image,
        content.comments_url,
        content.comments_feed,
        *(attachment.url for attachment in content.attachments),
    ):
        assert address is None or (address.isascii() and address.startswith(("http://", "https://")))
    for time in (content.published_at, content.updated_at, content.expires_at):
        assert time is None or (time.tzinfo is UTC and time.microsecond == 0)
