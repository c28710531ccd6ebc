"""Feed documents over HTTP: validators, types, and nothing from outside the folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from syndicate.config import Settings
from syndicate.web.feed_files import FeedFiles

CHANGED = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    feed = tmp_path / "feeds" / "all"
    feed.mkdir(parents=True)
    for name, text in {"rss.xml": "<rss/>", "atom.xml": "<feed/>", "feed.json": "{}", "page-1.xml": "<x/>"}.items():
        (feed / name).write_text(text)
        os.utime(feed / name, (CHANGED.timestamp(), CHANGED.timestamp()))
    (feed / ".rss.xml.new").write_text("half")
    (feed / "notes.txt").write_text("mine")
    (tmp_path / "secret.key").write_text("secret")
    (tmp_path / "secret.xml").write_text("secret")
    (feed / "link.xml").symlink_to(tmp_path / "secret.xml")
    return tmp_path


@pytest.fixture
def client(folder: Path) -> TestClient:
    settings = Settings.model_validate({"base": folder, "feed": {"all": {"ttl": "15m"}}})
    return TestClient(Starlette(routes=FeedFiles(settings).routes()))


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("rss.xml", "application/rss+xml; charset=utf-8"),
        ("atom.xml", "application/atom+xml; charset=utf-8"),
        ("feed.json", "application/feed+json"),
        ("page-1.xml", "application/xml; charset=utf-8"),
    ],
)
def test_a_document_with_all_that_caches_need(client: TestClient, name: str, media_type: str) -> None:
    answer = client.get(f"/feeds/all/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=900"
    assert answer.headers["last-modified"] == "Sun, 22 Nov 2026 07:00:00 GMT"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"].startswith('"')
    head = client.head(f"/feeds/all/{name}")
    assert head.content == b""
    assert dict(head.headers) == dict(answer.headers)


def test_not_modified(client: TestClient) -> None:
    first = client.get("/feeds/all/rss.xml")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"if-none-match": etag},
        {"if-none-match": f'"x", W/{etag}'},
        {"if-none-match": "*"},
        {"if-modified-since": modified},
        {"if-modified-since": format_datetime(CHANGED + timedelta(days=1), usegmt=True)},
        {"if-none-match": etag, "if-modified-since": "Sun, 22 Nov 2020 07:00:00 GMT"},
    ):
        for method in ("GET", "HEAD"):
            answer = client.request(method, "/feeds/all/rss.xml", headers=headers)
            assert answer.status_code == 304, headers
            assert answer.content == b""
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-control"] == "public, max-age=900"
    for headers in (
        {"if-none-match": '"x"'},
        {"if-none-match": '"x"', "if-modified-since": modified},
        {"if-modified-since": "Sun, 22 Nov 2020 07:00:00 GMT"},
        {"if-modified-since": "yesterday"},
        {"if-modified-since": "Sun, 99 Nov 2020 07:00:00 GMT"},
    ):
        assert client.get("/feeds/all/rss.xml", headers=headers).status_code == 200, headers


def test_the_tag_follows_the_content(client: TestClient, folder: Path) -> None:
    path = folder / "feeds" / "all" / "rss.xml"
    before = client.get("/feeds/all/rss.xml").headers["etag"]
    path.write_text("<RSS/>")
    assert client.get("/feeds/all/rss.xml").headers["etag"] != before
    path.write_text("<rss/>")
    assert client.get("/feeds/all/rss.xml").headers["etag"] == before


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/all/nothing.xml",
        "/feeds/all",
        "/feeds/all/",
        "/feeds/all/.rss.xml.new",
        "/feeds/all/notes.txt",
        "/feeds/all/link.xml",
        "/feeds/../secret.xml",
        "/feeds/%2e%2e/secret.xml",
        "/feeds/all/%2e%2e/%2e%2e/secret.xml",
        "/feeds/..%2fsecret.xml",
        "/feeds/%2fetc%2fpasswd.xml",
        "/feeds//etc/x.xml",
        "/feeds/all%5c..%5csecret.xml",
        "/feeds/all/rss.xml%00",
        "/feeds/all/rss.xml/x",
        "/feeds/" + "a" * 300 + ".xml",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert len(answer.content) < 1000


def test_other_sites_may_read_feeds(client: TestClient) -> None:
    answer = client.options("/feeds/all/rss.xml", headers={"origin": "https://reader.example"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]
