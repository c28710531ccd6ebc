"""What our writers write, our reader reads: any articles, in all three formats, come back as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from feed_articles import articles, feed_settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from syndicate.config.sources import FeedSource
from syndicate.core.article.identity import tag_uri
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.article.sanitise import sanitise
from syndicate.core.article.text import clean_line
from syndicate.core.feed_reading import Ours, items_of, read_feed
from syndicate.core.feeds import WRITERS, feed_document
from syndicate.model import Article, FeedFormat

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ADDRESS = "https://elsewhere.example/feed"
EARLIEST = datetime(1901, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_ingested(article: Article) -> Article:
    """The article with texts as ingest leaves them, and dates as newspapers have them."""
    content = article.content
    published = _known(min(max(article.published_at, EARLIEST), NOW))
    updated = article.updated_at and _known(min(max(article.updated_at, published), NOW))
    return replace(
        article,
        published_at=published,
        updated_at=updated,
        content=replace(
            content,
            title=clean_line(content.title) or "Untitled",
            html=sanitise(content.html, content.url),
            summary=clean_line(content.summary),
            image_alt=clean_line(content.image_alt),
            authors=tuple(name for name in map(clean_line, content.authors) if name and "@" not in name),
            category=clean_line(content.category or "") or None,
            tags=tuple(filter(None, map(clean_line, content.tags))),
        ),
    )


def _known(time: datetime) -> datetime:
    """In whole seconds, and not the one second that stands for "unknown" in feeds (Hypothesis likes it)."""
    time = time.replace(microsecond=0)
    return time + timedelta(seconds=1) if time == EPOCH else time


def source() -> FeedSource:
    return FeedSource(type="feed", url=ADDRESS)


@pytest.mark.parametrize("form", list(FeedFormat))
@examples(max_examples=50)
@given(drawn=articles().map(lambda found: [as_ingested(article) for article in found]), full=st.booleans())
def test_our_own_documents_read_back(form: FeedFormat, drawn: list[Article], full: bool) -> None:
    document, _ = feed_document(feed_settings(content="full" if full else "summary"), "all", drawn)
    feed = read_feed(WRITERS[form](document), address=ADDRESS, now=NOW)
    assert feed.repaired is None
    assert feed.title == document.title
    assert feed.self_address == document.address(form)
    assert [entry.id for entry in feed.entries] == [entry.id for entry in document.entries]
    for read, written in zip(feed.entries, document.entries, strict=True):
        assert read.title == written.title
        assert read.link == written.url
        assert read.published == written.published
        assert (read.updated or read.published) == written.updated
        # Atom and JSON Feed say that an entry without authors is by those of the feed.
        assert read.authors == (written.authors or (() if form is FeedFormat.RSS else (document.publisher,)))
        assert read.categories == written.categories
        assert (read.language or feed.language) == (written.language or document.language)
        assert read.image == (written.image.url if written.image else None)
        if written.html:
            assert (read.form, read.body) == ("html", written.html.strip())


@examples(max_examples=30)
@given(drawn=articles(most=4).map(lambda found: [as_ingested(article) for article in found]))
def test_articles_made_from_the_three_formats_agree(drawn: list[Article]) -> None:
    document, _ = feed_document(feed_settings(), "all", drawn)
    defaults = ArticleDefaults.of(feed_settings().site, source())
    told = []
    for form in FeedFormat:
        found = items_of(read_feed(WRITERS[form](document), address=ADDRESS, now=NOW), source(), Ours())
        assert found.problems == ()
        articles_read = [normalise(item, defaults) for item in found.items]
        told.append([(one.key, one.title, one.url, one.published_at, one.category, one.tags) for one in articles_read])
    assert told[0] == told[1] == told[2]
    assert [key for key, *_ in told[0]] == [entry.id for entry in document.entries]


@examples(max_examples=30)
@given(
    drawn=articles(most=4).map(lambda found: [as_ingested(article) for article in found]),
    form=st.sampled_from(list(FeedFormat)),
)
def test_what_we_published_does_not_come_back(drawn: list[Article], form: FeedFormat) -> None:
    ours = Ours(authority="courier.example", sources=("stories",))
    drawn = [
        replace(article, uid=tag_uri("courier.example", NOW.date(), "stories", str(article.id))) for article in drawn
    ]
    document, _ = feed_document(feed_settings(), "all", drawn)
    feed = replace(read_feed(WRITERS[form](document), address=ADDRESS, now=NOW), generator="", self_address=None)
    assert items_of(feed, source(), ours).items == ()
    # Another Syndicate that took them minted its own ids around ours: these do not come back either.
    wrapped = [replace(article, uid=tag_uri("agency.example", NOW.date(), "courier", article.uid)) for article in drawn]
    document, _ = feed_document(feed_settings(), "all", wrapped)
    feed = replace(read_feed(WRITERS[form](document), address=ADDRESS, now=NOW), generator="", self_address=None)
    assert items_of(feed, source(), ours).items == ()
