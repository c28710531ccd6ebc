"""RFC 3229 ``A-IM: feed``: a client that knows it gets the new entries of a big window only, and nobody else does."""

from __future__ import annotations

import json
from pathlib import Path

import feedparser
import pytest
from feed_site import CHANGED, FeedSite

ENTRY = {
    "rss.xml": "<item><guid>{0}</guid><title>{0}</title><description>{1} &lt;item&gt;</description></item>",
    "atom.xml": "<entry><id>{0}</id><title>{0}</title><content>{1} &lt;entry&gt;</content></entry>",
}
FRAME = {
    "rss.xml": '<rss version="2.0"><channel><title>T</title>\n{}\n</channel></rss>',
    "atom.xml": '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>\n{}\n</feed>',
}
NAMES = ("rss.xml", "atom.xml", "feed.json")


def document(name: str, entries: dict[str, str]) -> str:
    if name == "feed.json":
        return json.dumps({"title": "T", "items": [{"id": key, "content_html": text} for key, text in entries.items()]})
    return FRAME[name].format("\n".join(ENTRY[name].format(key, text) for key, text in entries.items()))


def ids(name: str, text: str) -> list[str]:
    if name == "feed.json":
        return [item["id"] for item in json.loads(text)["items"]]
    parsed = feedparser.parse(text)
    assert not parsed.bozo
    assert parsed.feed.title == "T"
    return [entry.id for entry in parsed.entries]


def window(first: int, count: int = 40) -> dict[str, str]:
    return {f"n{number}": f"text {number} " * 300 for number in range(first, first - count, -1)}


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_new(tmp_path: Path, name: str) -> None:
    site = FeedSite(tmp_path)
    path = f"/feeds/all/{name}"
    versions = [window(40), window(42), {**window(42), "n30": "mended " * 300}]
    tags = []
    for at, entries in enumerate(versions):
        site.write(f"all/{name}", document(name, entries), modified=CHANGED + at)
        tags.append(site.ask(path, accept_encoding="gzip").headers["etag"])
    for known, expected in ((0, ["n42", "n41", "n30"]), (1, ["n30"])):
        for wish in ("gzip", "identity", "br"):
            answer = site.ask(path, if_none_match=tags[known], a_im="feed", accept_encoding=wish)
            assert answer.status == 226
            assert answer.headers["im"] == "feed"
            assert answer.headers["cache-control"] == "no-store, im, max-age=900"
            assert {"A-IM", "If-None-Match"} <= set(answer.headers["vary"].split(", "))
            assert answer.headers["content-length"] == str(len(answer.body))
            assert ids(name, answer.text) == expected
            # With its tag the client has the whole: it asks for what is newer than that.
            assert site.ask(path, if_none_match=answer.headers["etag"], a_im="feed").status == 304
    for headers in (
        {"if_none_match": tags[0]},
        {"if_none_match": tags[0], "a_im": "vcdiff, gzip"},
        {"if_none_match": tags[0], "a_im": "feed;q=0"},
        {"if_none_match": '"unknown"', "a_im": "feed"},
        {"a_im": "feed"},
    ):
        answer = site.ask(path, **headers)
        assert answer.status == 200
        assert ids(name, answer.text) == list(versions[2])
    assert site.ask(path, "HEAD", if_none_match=tags[0], a_im="feed").status == 200
    assert site.ask(path, if_none_match=tags[0], a_im="vcdiff, Feed;q=0.5").status == 226
    assert site.ask(path, if_none_match=f'W/"x", {tags[0]}', a_im="feed").status == 226


def test_a_small_window_comes_whole(tmp_path: Path) -> None:
    site = FeedSite(tmp_path)
    tags = []
    for first in (2, 3):
        site.write("all/rss.xml", document("rss.xml", window(first, 2)))
        tags.append(site.ask("/feeds/all/rss.xml").headers["etag"])
    assert site.ask("/feeds/all/rss.xml", if_none_match=tags[0], a_im="feed").status == 200


def test_few_versions_are_remembered(tmp_path: Path) -> None:
    site = FeedSite(tmp_path)
    tags = []
    for first in range(40, 52):
        site.write("all/rss.xml", document("rss.xml", window(first)), twins=False)
        tags.append(site.ask("/feeds/all/rss.xml").headers["etag"])
    statuses = [site.ask("/feeds/all/rss.xml", if_none_match=tag, a_im="feed").status for tag in tags]
    assert statuses == [200] * 3 + [226] * 8 + [304]


def test_what_is_damaged_comes_whole(tmp_path: Path) -> None:
    site = FeedSite(tmp_path)
    tags = []
    for text in ("[1" * 50_000, "{" * 90_000):
        site.write("all/feed.json", text)
        tags.append(site.ask("/feeds/all/feed.json").headers["etag"])
    answer = site.ask("/feeds/all/feed.json", if_none_match=tags[0], a_im="feed")
    assert (answer.status, answer.text) == (200, "{" * 90_000)
