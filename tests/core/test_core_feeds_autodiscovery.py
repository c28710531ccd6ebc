"""The links that tell readers of the feeds."""

from __future__ import annotations

import pytest
from feed_articles import article, feed_settings

from syndicate.config import Settings
from syndicate.core.feeds import alternate_links, feed_document, listed_feeds
from syndicate.errors import FeedError
from syndicate.pipeline.publish import public_feeds


def test_each_feed_has_a_link_for_each_format_the_best_first() -> None:
    settings = Settings.model_validate(
        {
            "site": {"title": "The Harbour Courier"},
            "service": {"public_url": "https://news.courier.example"},
            "feed": {"all": {"formats": ["json", "rss", "atom"]}, "port": {"title": "The Port", "formats": ["rss"]}},
        }
    )
    base = "https://news.courier.example/feeds"
    assert alternate_links(settings) == [
        ("The Harbour Courier: all (Atom)", "application/atom+xml", f"{base}/all/atom.xml"),
        ("The Harbour Courier: all (RSS)", "application/rss+xml", f"{base}/all/rss.xml"),
        ("The Harbour Courier: all (JSON Feed)", "application/feed+json", f"{base}/all/feed.json"),
        ("The Port (RSS)", "application/rss+xml", f"{base}/port/rss.xml"),
    ]


def test_a_link_is_the_address_that_the_document_gives_itself() -> None:
    settings = feed_settings()
    document, _problems = feed_document(settings, "all", [article()])
    assert {link.href for link in alternate_links(settings)} == {
        document.address(form) for form in settings.feed["all"].formats
    }


def test_the_issues_of_each_public_digest_have_a_feed_of_their_own() -> None:
    settings = Settings.model_validate(
        {
            "site": {"title": "The Harbour Courier"},
            "service": {"public_url": "https://news.courier.example"},
            "feed": {"all": {"formats": ["rss"]}},
            "digest": {
                "morning": {"title": "Morning Courier", "description": "At breakfast"},
                "quiet": {"public": False},
            },
        }
    )
    assert [(feed.name, feed.title, feed.description, feed.issues) for feed in listed_feeds(settings)] == [
        ("all", "The Harbour Courier", "", False),
        ("issues-morning", "Morning Courier", "At breakfast", True),
    ]
    base = "https://news.courier.example/feeds/issues-morning"
    assert alternate_links(settings)[1:] == [
        ("Morning Courier: issues (Atom)", "application/atom+xml", f"{base}/atom.xml"),
        ("Morning Courier: issues (RSS)", "application/rss+xml", f"{base}/rss.xml"),
        ("Morning Courier: issues (JSON Feed)", "application/feed+json", f"{base}/feed.json"),
    ]


@pytest.mark.parametrize(
    ("digests", "titles", "feeds"),
    [
        # One of the site's name beside a feed of that name: in a list of feeds nobody could tell them apart.
        ({"a": {}}, ["The Courier"], ["The Courier: a"]),
        ({"a": {}, "b": {}}, ["The Courier: a", "The Courier: b"], ["The Courier: a", "The Courier: b"]),
        ({"a": {}, "b": {"title": "B"}}, ["The Courier", "B"], ["The Courier: a", "B"]),
        (
            {"a": {}, "b": {"title": "The Courier"}},
            ["The Courier: a", "The Courier"],
            ["The Courier: a", "The Courier: b"],
        ),
        # Two that their publisher calls the same are that in mails; their feeds are not.
        ({"a": {"title": "M"}, "b": {"title": "M"}}, ["M", "M"], ["M: a", "M: b"]),
    ],
)
def test_no_two_feeds_share_a_title(digests: dict[str, dict[str, str]], titles: list[str], feeds: list[str]) -> None:
    settings = Settings.model_validate({"site": {"title": "The Courier"}, "feed": {"all": {}}, "digest": digests})
    assert [settings.digest_title(name) for name in digests] == titles
    assert [feed.title for feed in listed_feeds(settings)] == ["The Courier", *feeds]
    assert [feed.title for feed in public_feeds(settings).values()] == ["The Courier", *feeds]


def test_a_digest_of_a_site_without_a_title_has_its_own_name() -> None:
    assert Settings.model_validate({"digest": {"a": {}, "b": {}}}).digest_title("b") == "b"


def test_without_feeds_there_are_no_links() -> None:
    assert alternate_links(Settings()) == []


def test_a_name_that_is_no_folder_is_refused() -> None:
    with pytest.raises(FeedError):
        alternate_links(Settings.model_validate({"feed": {"a/b": {}}}))
