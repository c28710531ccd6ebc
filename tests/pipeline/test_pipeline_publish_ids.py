"""The permanent id of a feed (RFC 4287, 4.2.6.1): it outlives new names, other addresses, and the way it was made."""

from __future__ import annotations

from urllib.parse import quote

import feedparser
from sqlalchemy import update
from sqlmodel import col
from test_pipeline_publish import HOUR, Paper, paper  # type: ignore[import-not-found]  # noqa: F401 - a fixture

from syndicate.core.feeds.rules import check_document
from syndicate.core.feeds.slugs import slug
from syndicate.model import FeedFormat
from syndicate.store.tables import FeedRow


def feed_id(paper: Paper, name: str) -> str:  # noqa: F811
    return str(feedparser.parse(paper.settings.feeds_path / name / "atom.xml").feed.id)


def test_a_feed_gets_an_id_at_its_first_publication_and_those_below_it_from_that(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"per": ["category"], "max_items": 2, "archive": True})
    for number in range(6):
        paper.put(f"story-{number}", category="Port", published_at=paper.now - number * HOUR)
    paper.publish()
    day = paper.now.date().isoformat()
    assert feed_id(paper, "all") == f"tag:courier.example,{day}:feeds/all"
    assert feed_id(paper, "all/category/port") == f"tag:courier.example,{day}:feeds/all/category/port"
    assert feed_id(paper, "all/archive/1") == feed_id(paper, "all"), "an archive is its feed (RFC 5005, section 4)"


def test_feeds_of_terms_in_any_script_are_published_with_ids_that_are_uris(paper: Paper) -> None:  # noqa: F811
    terms = ("林雨青", "يسرى الحدّاد", "נועם חופי", "हिन्दी", "Соль & море", "Häfen")
    paper.settings = paper.configured(all={"per": ["tag"], "max_items": 2, "archive": True})
    for number in range(4):
        paper.put(f"story-{number}", tags=terms, published_at=paper.now - number * HOUR)
    paper.publish()
    for folder in (f"all/tag/{slug(term)}" for term in terms):
        for name in (folder, f"{folder}/archive/1"):
            for form in FeedFormat:
                data = (paper.settings.feeds_path / name / form.file_name).read_bytes()
                address = f"https://news.courier.example/feeds/{quote(name)}/{form.file_name}"
                assert check_document(data, media_type=form.media_type, address=address) == []
        assert feed_id(paper, folder) == quote(f"{feed_id(paper, 'all')}{folder.removeprefix('all')}", safe=":,/")


def test_neither_another_name_nor_another_address_changes_it(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(old={"per": ["category"]})
    paper.put("quay", category="Port")
    paper.publish()
    before = feed_id(paper, "old"), feed_id(paper, "old/category/port")

    paper.now += 30 * HOUR
    paper.settings = paper.configured(new={"per": ["category"], "renamed_from": ["old"]})
    paper.publish()
    assert (feed_id(paper, "new"), feed_id(paper, "new/category/port")) == before

    paper.settings = paper.configured(
        site={"title": "The Harbour Gazette", "url": "https://gazette.example"}, new={"per": ["category"]}
    )
    service = paper.settings.service.model_copy(update={"public_url": "https://elsewhere.example"})
    paper.settings = paper.settings.model_copy(update={"service": service})
    paper.publish()
    assert "https://elsewhere.example/feeds/new/atom.xml" in (paper.settings.feeds_path / "new/atom.xml").read_text()
    assert (feed_id(paper, "new"), feed_id(paper, "new/category/port")) == before

    # The old name serves again, on the same day as the first one or another: that is another feed.
    paper.now -= 30 * HOUR
    paper.settings = paper.configured(old={}, new={})
    paper.publish()
    assert feed_id(paper, "new") == before[0]
    assert feed_id(paper, "old") == f"{before[0]}-2"


def test_a_feed_that_was_published_before_it_was_renamed_to_keeps_its_own(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(old={}, new={})
    paper.publish()
    own = feed_id(paper, "new")
    assert own != feed_id(paper, "old")
    paper.settings = paper.configured(new={"renamed_from": ["old"]})
    paper.publish()
    assert feed_id(paper, "new") == own


def test_a_feed_from_before_ids_were_kept_has_its_address_for_ever(paper: Paper) -> None:  # noqa: F811
    paper.publish()
    with paper.database.write() as session:
        session.connection().execute(update(FeedRow).where(col(FeedRow.name) == "all").values(uid=None))
    paper.put("tide")
    paper.publish()
    address = "https://news.courier.example/feeds/all/atom.xml"
    assert feed_id(paper, "all") == address
    paper.settings = paper.configured(news={"renamed_from": ["all"]})
    paper.publish()
    assert feed_id(paper, "news") == address
