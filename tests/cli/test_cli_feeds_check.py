"""``feeds check``: our own documents, files, and addresses, with the exit status that scripts go by."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from calls import Call
from feed_articles import article, everything, feed_settings
from publisher import Publisher

from syndicate.core.feeds import WRITERS
from syndicate.model import FeedFormat

RSS = WRITERS[FeedFormat.RSS](everything(feed_settings(), [article(html="<p>x</p>", summary="x")]))


class Server(BaseHTTPRequestHandler):
    """Answers /feed as a good server does; /nothing with 404; /wasteful with all of it every time."""

    own = b""

    def do_GET(self) -> None:
        if self.path == "/away":
            return self._answer(302, b"", Location="http://10.0.0.1/feed")
        if self.path == "/h%C3%A4fen%201":
            own = self.own.replace(b'/feed"', b'/h%C3%A4fen%201"')
            return self._answer(200, own, **{"Content-Type": "application/rss+xml", "ETag": '"1"'})
        if self.path == "/feed" and self.headers.get("If-None-Match") == '"1"':
            return self._answer(304, b"")
        if self.path == "/feed":
            return self._answer(200, self.own, ETag='"1"', **{"Content-Type": "application/rss+xml"})
        if self.path == "/wasteful":
            return self._answer(200, self.own, **{"Content-Type": "text/xml", "Cache-Control": "no-store"})
        if self.path == "/page":
            links = b'<link rel=alternate type="application/rss+xml" href="feed"><link rel=icon href="x.png">'
            return self._answer(200, b"<!DOCTYPE html><title>x</title>" + links, **{"Content-Type": "text/html"})
        if self.path == "/empty":
            return self._answer(200, b"", **{"Content-Type": "text/html"})
        return self._answer(404, b"no")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        address = f"http://127.0.0.1:{running.server_port}"
        Server.own = RSS.replace(b"https://news.courier.example/feeds/all/rss.xml", f"{address}/feed".encode())
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield address
        running.shutdown()
        thread.join()


def test_what_is_published_is_checked(syndicate: Call, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path).write()
    publisher.article("a", title="The whale has left")
    publisher.article("b", title="Tide & time <3", category="port")
    assert syndicate("poll").status == 0
    assert syndicate("feeds", "check").out.startswith("nothing is published yet")
    assert syndicate("feeds", "build").status == 0
    checked = syndicate("feeds", "check", "--json")
    assert checked.status == 0, checked.out
    assert checked.document["checked"] >= 3
    assert (checked.document["errors"], checked.document["warnings"]) == (0, 0)


def test_published_feeds_of_terms_in_any_script_are_checked(syndicate: Call, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path).write()
    publisher.config.write_text(publisher.config.read_text().replace("[feed.all]", '[feed.all]\nper = ["category"]'))
    publisher.article("a", title="Tide", category="社区")
    for arguments in (("poll",), ("feeds", "build"), ("feeds", "check")):
        result = syndicate(*arguments)
        assert result.status == 0, result.out
    assert (tmp_path / "feeds/all/category/社区/atom.xml").exists()


def test_files_and_folders_are_checked_without_a_configuration(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "rss.xml").write_bytes(RSS)
    (tmp_path / "bad.xml").write_bytes(RSS.replace(b' isPermaLink="false"', b""))
    assert syndicate("feeds", "check", "good").status == 0
    result = syndicate("feeds", "check", "good", "bad.xml", "missing.xml", "--json")
    assert result.status == 1
    good, bad, missing = result.document["feeds"]
    assert good["findings"] == []
    assert [finding["rule"] for finding in bad["findings"]] == ["F2"]
    assert bad["findings"][0].keys() == {"rule", "severity", "where", "message"}
    assert missing["errors"] == 1
    assert "error F2" in syndicate("feeds", "check", "bad.xml").out


def test_formats_that_disagree_are_an_error(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "rss.xml").write_bytes(RSS)
    (tmp_path / "feed.json").write_bytes(WRITERS[FeedFormat.JSON](everything(feed_settings(), [])))
    result = syndicate("feeds", "check", ".", "--json")
    assert [each["rule"] for feed in result.document["feeds"] for each in feed["findings"]] == ["F1"]
    assert result.status == 1


@pytest.mark.parametrize(
    ("path", "rules", "status"),
    [
        ("/feed", [], 0),
        ("/wasteful", ["F11", "F12", "F13", "F8"], 1),
        ("/nothing", ["F14"], 1),
        ("/away", ["F14"], 1),
    ],
)
def test_addresses_are_checked_with_how_they_are_served(
    syndicate: Call, server: str, path: str, rules: list[str], status: int
) -> None:
    result = syndicate("feeds", "check", f"{server}{path}", "--json")
    assert sorted(finding["rule"] for finding in result.document["feeds"][0]["findings"]) == rules
    assert result.status == status


def test_an_address_as_browsers_show_it_is_the_one_that_the_feed_names(syndicate: Call, server: str) -> None:
    assert syndicate("feeds", "check", f"{server}/häfen 1").status == 0


def test_what_cannot_be_fetched_is_told_plainly(syndicate: Call) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/rss.xml"
        assert f"{address}: error F14: Connection refused\n" in syndicate("feeds", "check", address).out
    said = "ftp://courier.example/x: error F14: only files, folders and http or https addresses can be checked\n"
    assert said in syndicate("feeds", "check", "ftp://courier.example/x").out


def test_a_page_is_told_from_a_feed_and_the_feeds_that_it_announces_are_named(syndicate: Call, server: str) -> None:
    result = syndicate("feeds", "check", f"{server}/page", f"{server}/empty")
    assert result.status == 1
    assert f"{server}/page: error F15: this is a page, no feed; it announces {server}/feed\n" in result.out
    assert f"{server}/empty: error F15: this is a page, no feed, and it announces none\n" in result.out
    assert "2 checked: 2 errors, no warnings" in result.out
