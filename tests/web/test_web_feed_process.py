"""Feeds over a real uvicorn and a real socket: the same answers by the short cut and by the ASGI callable."""

from __future__ import annotations

import gzip
import http.client
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import brotli
import pytest
from feed_site import CHANGED, DATE, FeedSite

from syndicate.config.load import load_settings
from syndicate.service.wiring import Services
from syndicate.store.articles import take_numbers
from syndicate.store.published import GENERATION
from syndicate.web.feed_server.hammering import ALLOWED

CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
[service]
public_url = "https://news.courier.example"
min_free_disk = "0 MB"
[feed.all]
ttl = "15m"
hub = "https://hub.example/"
renamed_from = ["everything"]
"""
PROGRAM = """
import socket, sys, uvicorn
from pathlib import Path
from syndicate.config.load import load_settings
from syndicate.service.wiring import Services
from syndicate.web.app import make_app
services = Services(load_settings(Path(sys.argv[1]), {}))
app = make_app(services)
http = {"short": app.uvicorn_protocol}.get(sys.argv[2], sys.argv[2])
config = uvicorn.Config(app, log_level="warning", http=http, server_header=False, proxy_headers=False)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listening])
"""
BODY = "<rss>" + "What happened in the harbour. " * 3000 + "</rss>"
RSS = "/feeds/all/rss.xml"


@dataclass
class Running:
    port: int
    feeds: FeedSite
    services: Services

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            return ask(connection, path, method, **headers)
        finally:
            connection.close()

    def publish(self) -> None:
        with self.services.database.write() as session:
            take_numbers(session, GENERATION, 1)


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(params=["short", "httptools", "h11"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(tmp_path: Path, way: str) -> Iterator[Running]:
    (tmp_path / "config.toml").write_text(CONFIG)
    feeds = FeedSite(tmp_path)
    feeds.write("all/rss.xml", BODY)
    services = Services(load_settings(tmp_path / "config.toml", {}))
    services.database  # noqa: B018 - makes the schema
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "config.toml"), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        assert port, process.communicate()[1]
        yield Running(int(port), feeds, services)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
        services.close()
    assert errors == ""


def test_a_reader_over_the_wire(site: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    tags = set()
    for _ in range(2):  # loaded, then at hand
        for encoding in ("identity", "gzip", "br"):
            status, headers, body = ask(connection, RSS, Accept_Encoding=encoding)
            assert status == 200
            text = {"gzip": gzip.decompress, "br": brotli.decompress}.get(encoding, bytes)(body)
            assert text.decode() == BODY
            assert headers["content-type"] == "application/rss+xml; charset=utf-8"
            assert headers["cache-control"] == "public, max-age=900"
            assert headers["last-modified"] == DATE
            assert headers["link"] == (
                '<https://hub.example/>; rel="hub", <https://news.courier.example/feeds/all/rss.xml>; rel="self"'
            )
            assert "date" in headers
            tags.add(headers["etag"])
            head_status, head, nothing = ask(connection, RSS, "HEAD", Accept_Encoding=encoding)
            assert (head_status, nothing) == (200, b"")
            assert {**head, "date": ""} == {**headers, "date": ""}
            for method in ("GET", "HEAD"):
                status, again, nothing = ask(connection, RSS, method, If_None_Match=headers["etag"])
                assert (status, nothing) == (304, b"")
                assert again["link"] == headers["link"]
                assert again["etag"] == headers["etag"]
            assert ask(connection, RSS, If_Modified_Since=DATE)[0] == 304
            assert ask(connection, RSS, If_Match='"x"')[0] == 412
    assert len(tags) == 3
    assert ask(connection, RSS, "POST")[0] == 405
    assert ask(connection, "/feeds/everything/rss.xml")[1]["location"] == RSS
    assert ask(connection, "/feeds/none/rss.xml")[0] == 404
    status, headers, body = ask(connection, RSS, Sec_Fetch_Dest="document")
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")  # <rss> without a channel is no feed
    assert ask(connection, "/healthz")[0] == 200
    connection.close()


def test_who_hammers_through_a_proxy_on_this_machine(site: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    found = [ask(connection, RSS, X_Forwarded_For="198.51.100.9")[0] for _ in range(ALLOWED + 2)]
    assert found == [200] * ALLOWED + [429] * 2
    assert ask(connection, RSS, X_Forwarded_For="198.51.100.10")[0] == 200
    assert ask(connection, RSS)[0] == 200
    connection.close()


def test_requests_in_one_packet(site: Running) -> None:
    tag = site.ask(RSS)[1]["etag"]
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.connect()
    one = f"GET {RSS} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n"
    whole = f"GET {RSS} HTTP/1.1\r\nHost: x\r\n\r\n"
    page = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = f"GET {RSS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {tag}\r\n\r\n"
    connection.sock.sendall((one + whole + page + one + whole + last).encode())
    received = b""
    while piece := connection.sock.recv(65536):
        received += piece
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", received)
    assert statuses == [b"304", b"200", b"200", b"304", b"200", b"304"]
    assert received.count(BODY.encode()) == 2
    connection.close()


def test_a_publication_is_seen_without_a_word(site: Running) -> None:
    before = site.ask(RSS)[1]["etag"]
    site.feeds.write("all/rss.xml", "new" + BODY, modified=CHANGED + 60)
    site.publish()
    deadline = time.monotonic() + 60
    while site.ask(RSS, If_None_Match=before)[0] == 304:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert site.ask(RSS)[2].decode() == "new" + BODY


def test_no_torn_answer_over_the_wire(site: Running) -> None:
    versions = [f"<rss>{number}" + f"text {number} " * 3000 + f"{number}</rss>" for number in range(20)]
    site.feeds.write("all/rss.xml", versions[0])
    site.publish()
    time.sleep(1.1)
    stop = threading.Event()
    torn: list[str] = []
    seen: set[str] = set()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        tag = '""'
        encoding = ("gzip", "br", "identity")[number % 3]
        while not stop.is_set():
            condition = {"If_None_Match": tag} if number % 2 else {}
            status, headers, body = ask(connection, RSS, Accept_Encoding=encoding, **condition)
            tag = headers["etag"]
            if status == 200:
                text = {"gzip": gzip.decompress, "br": brotli.decompress}.get(
                    headers.get("content-encoding", ""), bytes
                )(body)
                seen.add(tag)
                if text.decode() not in versions:
                    torn.append(f"{headers} {text[:50]!r}")
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for each in clients:
        each.start()
    at = 0
    while len(seen) < 3 and not torn:
        at += 1
        site.feeds.write("all/rss.xml", versions[at % 20], modified=CHANGED + at)
        site.publish()
    stop.set()
    for each in clients:
        each.join()
    assert torn == []
