"""The feed server's rules, asked directly: one table of requests and answers for each."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from email.utils import formatdate
from pathlib import Path

import brotli
import pytest
from feed_site import CHANGED, DATE, SELF, Answer, FeedSite

from syndicate.errors import StoreBusyError
from syndicate.store.published import Standing
from syndicate.web.feed_server import reading
from syndicate.web.feed_server.hammering import Hammering, client_of
from syndicate.web.feed_server.held import YEAR

RSS = "/feeds/all/rss.xml"
BODY = "<rss>" + "What happened in the harbour. " * 100 + "</rss>"
ALL = "gzip, deflate, br"


@pytest.fixture
def site(tmp_path: Path) -> FeedSite:
    made = FeedSite(tmp_path)
    made.write("all/rss.xml", BODY)
    made.write("all/atom.xml", "<feed/>" + BODY)
    made.write("all/feed.json", json.dumps({"items": [], "title": BODY}))
    made.write("feeds.opml", "<opml>" + BODY + "</opml>")
    return made


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (RSS, "application/rss+xml; charset=utf-8"),
        ("/feeds/all/atom.xml", "application/atom+xml; charset=utf-8"),
        ("/feeds/all/feed.json", "application/feed+json"),
        ("/feeds.opml", "text/x-opml; charset=utf-8"),
    ],
)
def test_a_document_with_all_its_headers(site: FeedSite, path: str, media_type: str) -> None:
    answer = site.ask(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == "public, max-age=900"
    assert answer.headers["last-modified"] == DATE
    assert answer.headers["vary"] == "Accept-Encoding, Sec-Fetch-Dest"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"ETag", "Link"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert answer.headers["link"] == f'<{SELF}{path}>; rel="self"'
    assert answer.headers["etag"].startswith('"')
    assert "set-cookie" not in answer.headers
    names = [name for name, _ in answer.fields]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("wish", ["identity", "gzip", "br"])
def test_each_encoding_is_whole_and_has_a_tag_of_its_own(site: FeedSite, wish: str) -> None:
    answer = site.ask(RSS, accept_encoding=wish)
    assert answer.headers.get("content-encoding", "identity") == wish
    assert answer.text == BODY
    others = {site.ask(RSS, accept_encoding=other).headers["etag"] for other in ("identity", "gzip", "br")}
    assert answer.headers["etag"] in others
    assert len(others) == 3


def test_the_twins_are_sent_as_they_lie_there(site: FeedSite) -> None:
    for wish, suffix in (("gzip", ".gz"), ("br", ".br")):
        assert site.ask(RSS, accept_encoding=wish).body == (site.folder / f"all/rss.xml{suffix}").read_bytes()


def test_head_is_get_without_the_body(site: FeedSite) -> None:
    for wish in ("identity", ALL):
        for condition in ({}, {"if_none_match": "*"}, {"if_match": '"x"'}):
            got = site.ask(RSS, accept_encoding=wish, **condition)
            head = site.ask(RSS, "HEAD", accept_encoding=wish, **condition)
            assert (head.status, head.fields) == (got.status, got.fields)
            assert head.body == b"" or head.status == 412


@pytest.mark.parametrize("held", ["identity", "gzip", "br"])
@pytest.mark.parametrize("wish", ["identity", "gzip", "br"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '{} , "y"'])
def test_a_tag_of_any_encoding_is_honoured(site: FeedSite, held: str, wish: str, form: str) -> None:
    whole = site.ask(RSS, accept_encoding=held)
    tag = whole.headers["etag"]
    for method in ("GET", "HEAD"):
        answer = site.ask(RSS, method, accept_encoding=wish, if_none_match=form.format(tag))
        assert answer.status == 304
        assert answer.body == b""
        # The tag that the client has: with another one its cache would find nothing to renew (RFC 9111 4.3.4).
        assert answer.headers["etag"] == tag
        for name in ("cache-control", "vary", "link", "access-control-allow-origin"):
            assert answer.headers[name] == whole.headers[name]
        assert "content-length" not in answer.headers
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": '"x"', "if_modified_since": DATE}, 200),
        ({"if_modified_since": DATE}, 304),
        ({"if_modified_since": formatdate(CHANGED + 60, usegmt=True)}, 304),
        ({"if_modified_since": formatdate(CHANGED - 1, usegmt=True)}, 200),
        ({"if_modified_since": "Sunday, 22-Nov-26 07:00:00 GMT"}, 304),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_match": "*"}, 200),
        ({"if_unmodified_since": formatdate(CHANGED - 1, usegmt=True)}, 412),
        ({"if_unmodified_since": DATE}, 200),
        ({"range": "bytes=0-9"}, 200),
        ({"range": "bytes=0-9", "if_range": DATE}, 200),
        ({"range": "bytes=0-9", "if_none_match": "*"}, 304),
        ({"accept": "text/html"}, 200),
        ({"a_im": "feed"}, 200),
        ({"sec_fetch_dest": "empty", "sec_fetch_mode": "cors"}, 200),
        ({"cache_control": "no-cache", "pragma": "no-cache"}, 200),
    ],
)
def test_what_a_request_gets(site: FeedSite, headers: dict[str, str], status: int) -> None:
    answer = site.ask(RSS, **headers)
    assert answer.status == status
    if status == 200:
        assert answer.text == BODY


@pytest.mark.parametrize("large", [False, True])
def test_no_two_strings_of_bytes_share_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, large: bool) -> None:
    """As published; with a better twin made later; with one compressed on the fly; with what another program made."""
    if large:
        monkeypatch.setattr(reading, "LARGE", 1000)
    site = FeedSite(tmp_path)
    content = " ".join(f"{number * number} boats" for number in range(5000)).encode()
    site.write("all/rss.xml", content)
    seen: dict[str, bytes] = {}
    twins = {
        "gzip": [gzip.compress(content, level, mtime=time_) for level, time_ in ((9, 0), (1, 0), (9, 5))] + [None],
        "br": [brotli.compress(content, quality=quality) for quality in (5, 11)] + [None],
    }
    for wish, suffix in (("gzip", ".gz"), ("br", ".br")):
        for twin in twins[wish]:
            place = site.folder / f"all/rss.xml{suffix}"
            place.unlink(missing_ok=True)
            if twin is not None:
                place.write_bytes(twin)
            site.published()
            answer = site.ask(RSS, accept_encoding=wish)
            assert answer.text == content.decode()
            assert seen.setdefault(answer.headers["etag"], answer.body) == answer.body
    assert len(seen) == len(set(seen.values())) == (6 if large else 7)  # what is large is not compressed on the fly


def test_a_copy_that_was_compressed_otherwise_is_still_good(site: FeedSite) -> None:
    content = " ".join(f"{number * number} boats" for number in range(5000))
    site.write("all/rss.xml", content)
    tag = site.ask(RSS, accept_encoding="br").headers["etag"]
    (site.folder / "all/rss.xml.br").write_bytes(brotli.compress(content.encode(), quality=11))
    site.published()
    better = site.ask(RSS, accept_encoding="br").headers["etag"]
    assert better != tag
    again = site.ask(RSS, accept_encoding="br", if_none_match=tag)
    # With another tag than its own its cache would find nothing to renew.
    assert (again.status, again.headers["etag"]) == (304, tag)
    assert site.ask(RSS, accept_encoding="br", if_none_match=f"{tag}, {better}").status == 304
    # If-Match means these very bytes (RFC 9110 13.1.1).
    assert site.ask(RSS, accept_encoding="br", if_match=tag).status == 412
    assert site.ask(RSS, accept_encoding="br", if_match=better).status == 200
    site.write("all/rss.xml", content + "!", modified=CHANGED + 60)
    assert site.ask(RSS, accept_encoding="br", if_none_match=tag).status == 200


def test_a_list_in_several_fields(site: FeedSite) -> None:
    tag = site.ask(RSS).headers["etag"]
    assert site.ask_fields(RSS, [("If-None-Match", tag), ("If-None-Match", '"x"')]).status == 304
    assert site.ask_fields(RSS, [("If-None-Match", '"x"'), ("If-None-Match", tag)]).status == 304
    both = site.ask_fields(RSS, [("Accept-Encoding", "gzip;q=0.5"), ("Accept-Encoding", "br")])
    assert both.headers["content-encoding"] == "br"


def test_if_match_takes_the_tag_of_the_content(site: FeedSite) -> None:
    tag = site.ask(RSS, accept_encoding="gzip").headers["etag"]
    assert site.ask(RSS, if_match=tag).status == 200
    assert site.ask(RSS, if_match=f"W/{tag}").status == 412
    assert site.ask(RSS, if_match=tag, if_none_match=tag).status == 304


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(site: FeedSite, method: str) -> None:
    answer = site.ask(RSS, method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_scripts_of_other_sites_may_read_feeds_conditionally(site: FeedSite) -> None:
    answer = site.ask(
        RSS, "OPTIONS", origin="https://reader.example", access_control_request_method="GET",
        access_control_request_headers="if-none-match",
    )  # fmt: skip
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]
    assert "GET" in answer.headers["access-control-allow-methods"]


def test_a_browser_gets_a_page_and_nobody_else(site: FeedSite) -> None:
    assert site.ask(RSS, sec_fetch_dest="document").status == 299
    assert site.ask(RSS, sec_fetch_dest="document", if_none_match="*").status == 299
    assert site.ask("/feeds/none/rss.xml", sec_fetch_dest="document").status == 299
    for headers in ({"accept": "text/html"}, {"sec_fetch_dest": "iframe"}, {"user_agent": "Mozilla/5.0"}):
        assert site.ask(RSS, **headers).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/feeds/", "/feeds/all/", "/feeds/all", "/feeds", "/healthz", "/feedsx", "/confirm/x"]
)
def test_pages_are_the_routers(site: FeedSite, path: str) -> None:
    assert site.ask(path).body == path.encode()
    assert site.ask(path).status == 299


def test_pages_take_other_methods_where_they_are_no_feeds(site: FeedSite) -> None:
    assert site.ask("/confirm/x", "POST").status == 299


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/feeds/all/rss.xml/", "/news/feeds/all/rss.xml"),
        ("/feeds/all/rss.xml//", "/news/feeds/all/rss.xml"),
        ("/feeds//all/rss.xml", "/news/feeds/all/rss.xml"),
        ("/feeds/All/RSS.xml", "/news/feeds/all/rss.xml"),
        ("/feeds/feeds.opml", "/news/feeds.opml"),
    ],
)
def test_careless_forms_lead_to_the_right_one_for_good(site: FeedSite, path: str, location: str) -> None:
    answer = site.ask(path)
    assert answer.status == 301
    assert answer.headers["location"] == location
    assert "max-age" in answer.headers["cache-control"]


def test_renamed_and_gone(site: FeedSite) -> None:
    site.published(gone={"old": "all", "dead": None, "all/category/port": None, "was/author/ann": "all/author/ann"})
    answer = site.ask("/feeds/old/rss.xml")
    assert (answer.status, answer.headers["location"]) == (301, "/news/feeds/all/rss.xml")
    deep = site.ask("/feeds/old/category/port/archive/3/atom.xml")
    assert deep.headers["location"] == "/news/feeds/all/category/port/archive/3/atom.xml"
    assert site.ask("/feeds/was/author/ann/rss.xml").headers["location"] == "/news/feeds/all/author/ann/rss.xml"
    for path in (
        "/feeds/dead/rss.xml",
        "/feeds/dead/tag/x/feed.json",
        "/feeds/all/category/port/rss.xml",
        "/feeds/dead/",
    ):
        answer = site.ask(path)
        assert answer.status == 410, path
        assert "max-age" in answer.headers["cache-control"]
        assert len(answer.body) < 200
    assert site.ask(RSS).status == 200
    assert site.ask("/feeds/all/category/town/rss.xml").status == 404
    assert site.ask("/feeds/deadly/rss.xml").status == 404
    site.write("dead/rss.xml", BODY)  # it has come back
    assert site.ask("/feeds/dead/rss.xml").status == 200


def test_feeds_below_a_renamed_one_are_renamed_with_it_where_they_are_there_still(site: FeedSite) -> None:
    site.write("news/rss.xml", BODY)
    site.write("news/category/port/rss.xml", BODY)
    gone = {"old": "news", "old/category/port": None, "old/tag/whales": None, "dead": None, "dead/tag/x": None}
    site.published(gone=gone)
    for path in ("", "rss.xml"):
        answer = site.ask(f"/feeds/old/category/port/{path}")
        assert (answer.status, answer.headers["location"]) == (301, f"/news/feeds/news/category/port/{path}")
        assert site.ask(f"/feeds/old/tag/whales/{path}").status == 410
        assert site.ask(f"/feeds/dead/tag/x/{path}").status == 410
    site.write("news/tag/whales/rss.xml", BODY)  # a story about one again
    assert site.ask("/feeds/old/tag/whales/rss.xml").headers["location"] == "/news/feeds/news/tag/whales/rss.xml"


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/all/nothing.xml",
        "/feeds/all/.rss.xml.new",
        "/feeds/all/notes.txt",
        "/feeds/all/rss.xml.gz",
        "/feeds/all/rss.xml.br",
        "/feeds/all/link.xml",
        "/feeds/all/folder.xml",
        "/feeds/../secret.xml",
        "/feeds/all/../../secret.xml",
        "/feeds//etc/x.xml",
        "/feeds/all\\..\\secret.xml",
        "/feeds/all/rss.xml\0",
        "/feeds/all/rss.xml/x.y",
        "/feeds/" + "a" * 300 + ".xml",
        "/feeds/" + "a/" * 50 + "rss.xml",
    ],
)
def test_nothing_else_is_served(site: FeedSite, path: str) -> None:
    (site.root / "secret.xml").write_text("secret")
    (site.folder / "all/link.xml").symlink_to(site.root / "secret.xml")
    (site.folder / "all/notes.txt").write_text("mine")
    (site.folder / "all/.rss.xml.new").write_text("half")
    (site.folder / "all/folder.xml").mkdir()
    answer = site.ask(path)
    assert answer.status == 404
    assert len(answer.body) < 200
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert b"secret" not in answer.body


def test_what_is_published_is_seen_and_the_old_tag_no_longer_holds(site: FeedSite) -> None:
    before = site.ask(RSS).headers["etag"]
    site.write("all/rss.xml", "new" + BODY, modified=CHANGED + 60)
    after = site.ask(RSS, if_none_match=before)
    assert after.status == 200
    assert after.text == "new" + BODY
    site.write("all/rss.xml", BODY, modified=CHANGED + 61)
    assert site.ask(RSS).headers["etag"] == before  # the same content has the same tag, on any machine


def test_nothing_is_read_twice_between_publications(site: FeedSite) -> None:
    for _ in range(5):
        site.ask(RSS)
    assert site.reads == 1
    site.published()
    site.ask(RSS)
    assert site.reads == 2


def test_without_a_word_from_the_store_files_are_looked_at_now_and_then(site: FeedSite) -> None:
    site.ask(RSS)
    site.write("all/rss.xml", "new", publish=False)
    assert site.ask(RSS).text == BODY
    site.shelf._look_at = site.shelf._files_at = 0.0  # as if half a minute had passed
    assert site.ask(RSS).text == "new"


def test_a_twin_of_another_version_is_not_sent(site: FeedSite) -> None:
    site.write("all/rss.xml", "new" + BODY, twins=False)
    for wish in ("gzip", "br", ALL):
        assert site.ask(RSS, accept_encoding=wish).text == "new" + BODY
    (site.folder / "all/rss.xml.gz").write_bytes(b"\x1f\x8bdamaged")
    (site.folder / "all/rss.xml.br").write_bytes(b"damaged")
    site.published()
    for wish in ("gzip", "br", ALL):
        assert site.ask(RSS, accept_encoding=wish).text == "new" + BODY


def test_a_bomb_beside_a_feed_is_not_unpacked(site: FeedSite) -> None:
    (site.folder / "all/rss.xml.gz").write_bytes(gzip.compress(bytes(200_000_000), 1))
    site.published()
    began = time.process_time()
    assert site.ask(RSS, accept_encoding="gzip").text == BODY
    assert time.process_time() - began < 1


def test_a_removed_feed(site: FeedSite) -> None:
    site.ask(RSS)
    (site.folder / "all/rss.xml").unlink()
    site.published()
    assert site.ask(RSS).status == 404


def test_last_modified_is_never_in_the_future(site: FeedSite) -> None:
    site.write("all/rss.xml", "first", modified=CHANGED)
    site.ask(RSS)
    site.now = CHANGED
    site.write("all/rss.xml", "second", modified=CHANGED + 1)  # within the same second
    answer = site.ask(RSS)
    assert answer.headers["last-modified"] == DATE
    # The first version had this date as well; it must not pass for the second.
    assert site.ask(RSS, if_modified_since=DATE).status == 200
    site.now = CHANGED + 1
    site.published()
    assert site.ask(RSS).headers["last-modified"] == formatdate(CHANGED + 1, usegmt=True)


def test_archives_are_kept_for_a_year(tmp_path: Path) -> None:
    site = FeedSite(tmp_path, about=lambda parts: {"max_age": YEAR, "immutable": True} if "archive" in parts else {})
    site.write("all/archive/1/rss.xml", BODY)
    answer = site.ask("/feeds/all/archive/1/rss.xml")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_large_documents_come_from_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGE", 1_000_000)
    site = FeedSite(tmp_path)
    content = "".join(f"<item>{number}</item>" for number in range(200_000))
    site.write("all/archive/1/rss.xml", content)
    path = "/feeds/all/archive/1/rss.xml"
    for wish in ("identity", "gzip", "br"):
        answer = site.ask(path, accept_encoding=wish)
        assert answer.text == content
        assert answer.headers["content-length"] == str(len(answer.body))
        assert site.ask(path, if_none_match=answer.headers["etag"]).status == 304
        assert site.ask(path, "HEAD", accept_encoding=wish).fields == answer.fields
    assert site.ask(path).pieces > 1
    assert site.shelf._weight < 100_000
    other = FeedSite(site.root)
    other.write("all/archive/1/rss.xml", content.replace("1", "2"), modified=CHANGED + 1, publish=False)
    # The new version is there, its publication not yet: no header of the one with the body of the other.
    assert site.ask(path).status == 503
    site.published()
    assert site.ask(path).text == content.replace("1", "2")


def test_memory_is_bounded(tmp_path: Path) -> None:
    site = FeedSite(tmp_path, limit=300_000)
    for number in range(40):
        site.write(f"f{number}/rss.xml", BODY * 10, publish=False)
    for number in range(40):
        assert site.ask(f"/feeds/f{number}/rss.xml").text == BODY * 10
        assert site.shelf._weight <= 300_000
    assert 1 < len(site.shelf._places) < 20
    reads = site.reads
    site.ask("/feeds/f39/rss.xml")
    assert site.reads == reads
    site.ask("/feeds/f0/rss.xml")
    assert site.reads == reads + 1


def test_a_store_that_does_not_answer_stops_no_feed(site: FeedSite) -> None:
    release = threading.Event()

    def broken() -> Standing:
        raise StoreBusyError("locked")

    def slow() -> Standing:
        release.wait(60)
        return Standing(99)

    async def once() -> tuple[int, bool]:
        answer = await site._ask(RSS, [], "GET", "198.51.100.7")
        early = not release.is_set()
        release.set()  # else the end of the loop waits for the store
        return answer.status, early

    assert site.ask(RSS).status == 200
    for stand in (broken, slow):
        site.stand = stand
        site.shelf._look_at = 0.0
        release.clear()
        began = time.monotonic()
        assert asyncio.run(once()) == (200, True)
        assert time.monotonic() - began < 30


def test_one_client_that_never_asks_conditionally(tmp_path: Path) -> None:
    site = FeedSite(tmp_path, allowed=3)
    site.write("all/rss.xml", BODY)
    site.write("all/atom.xml", BODY)
    answers = [site.ask(RSS, client="198.51.100.9") for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 900
    assert refused.headers["cache-control"] == "no-store"
    tag = answers[0].headers["etag"]
    for headers in ({"if_none_match": tag}, {"if_modified_since": DATE}, {"if_none_match": '"old"'}):
        assert site.ask(RSS, client="198.51.100.9", **headers).status in {200, 304}  # the polite way is always open
    assert site.ask(RSS, "HEAD", client="198.51.100.9").status == 200
    assert site.ask("/feeds/all/atom.xml", client="198.51.100.9").status == 200
    assert site.ask(RSS, client="198.51.100.10").status == 200


def statuses(site: FeedSite, peer: str, *forwarded: str) -> list[int]:
    """The answers to one unconditional load for each value of X-Forwarded-For, over connections from one peer."""
    return [site.ask(RSS, client=peer, x_forwarded_for=value).status for value in forwarded]


@pytest.mark.parametrize("proxy", ["127.0.0.1", "10.1.2.3"])
def test_who_hammers_through_our_proxy_is_refused_and_nobody_else_there(tmp_path: Path, proxy: str) -> None:
    site = FeedSite(tmp_path, allowed=3)
    site.write("all/rss.xml", BODY)
    assert statuses(site, proxy, *["198.51.100.9"] * 5) == [200, 200, 200, 429, 429]
    assert statuses(site, proxy, "198.51.100.10", "2001:db8::1", "198.51.100.9:4711") == [200, 200, 429]
    # What a client writes there itself stands before what our proxies add, and through two of them it is the same.
    assert statuses(site, proxy, "203.0.113.1, 198.51.100.9", "198.51.100.9, 10.1.9.9") == [429, 429]
    fields = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "198.51.100.9")]
    assert site.ask_fields(RSS, fields, client=proxy).status == 429
    assert statuses(site, proxy, *["", "unknown", "10.1.9.9", ","] * 5) == [200] * 20


def test_what_others_say_of_themselves_is_not_believed(tmp_path: Path) -> None:
    site = FeedSite(tmp_path, allowed=3)
    site.write("all/rss.xml", BODY)
    assert statuses(site, "198.51.100.9", *[f"203.0.113.{number}" for number in range(4)]) == [200, 200, 200, 429]
    # A private address that is not among our proxies may be one all the same, so it is left alone.
    assert statuses(site, "172.17.0.1", *["203.0.113.50"] * 5) == [200] * 5
    assert site.ask(RSS, client="203.0.113.50").status == 200


def test_polite_readers_are_never_refused(tmp_path: Path) -> None:
    site = FeedSite(tmp_path, allowed=3)
    site.write("all/rss.xml", BODY)
    tag = site.ask(RSS).headers["etag"]
    for number in range(50):
        assert site.ask(RSS, if_none_match=tag).status == 304
        site.write("all/rss.xml", f"{number}{BODY}", twins=False)
        answer = site.ask(RSS, if_none_match=tag)
        assert answer.status == 200
        tag = answer.headers["etag"]


def test_counts_of_hammering() -> None:
    counts = Hammering(allowed=2, kept=10)
    assert [counts.wait("203.0.113.1", RSS, 100, now) for now in (0, 50, 60, 99, 100, 101, 102)] == [
        0,
        0,
        40,
        1,
        0,
        0,
        98,
    ]
    for number in range(1000):
        counts.wait(f"203.0.{number % 256}.{number // 256}", RSS, 100, 0)
    assert len(counts._counts) == 10


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", None),
        ("::1", None),
        ("172.17.0.1", None),
        ("fd00::1", None),
        ("::ffff:10.0.0.1", None),
        ("testclient", None),
        (None, None),
    ],
)
def test_who_counts_as_one_client(host: str | None, client: str | None) -> None:
    assert client_of(host) == client


def test_no_torn_answer_while_feeds_are_replaced(tmp_path: Path) -> None:
    site = FeedSite(tmp_path)
    versions = [f"<rss>{number}" + f"text {number} " * 3000 + f"{number}</rss>" for number in range(50)]
    site.write("all/rss.xml", versions[0], publish=False)
    stop = threading.Event()
    seen: set[str] = set()

    def republish() -> None:
        at = 0
        while not stop.is_set():
            at += 1
            site.write("all/rss.xml", versions[at % 50], modified=CHANGED + at)

    async def client(wish: str, answers: list[Answer]) -> None:
        tag = ""
        while len(seen) < 20:
            fields = [("accept-encoding", wish), *([("if-none-match", tag)] if tag else [])]
            answer = await site._ask(RSS, fields, "GET", "127.0.0.1")
            tag = answer.headers["etag"]
            if answer.status == 200:
                answers.append(answer)
                seen.add(tag)
            await asyncio.sleep(0)

    async def clients() -> list[Answer]:
        answers: list[Answer] = []
        await asyncio.gather(*(client(("gzip", "br", "identity", ALL)[each % 4], answers) for each in range(8)))
        return answers

    writer = threading.Thread(target=republish)
    writer.start()
    try:
        answers = asyncio.run(clients())
    finally:
        stop.set()
        writer.join()
    whole = set(versions)
    tags: dict[str, str] = {}
    for answer in answers:
        assert answer.text in whole
        assert answer.headers["content-length"] == str(len(answer.body))
        assert tags.setdefault(answer.headers["etag"], answer.text) == answer.text
    assert len(tags) == len(seen)
