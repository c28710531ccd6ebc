"""Clients that are slow, silent, endless or gone: what they may cost is bounded, and others do not notice them."""

from __future__ import annotations

import http.client
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from api_site import ApiSite

from syndicate.model import Keyring
from syndicate.service.listening import listen
from syndicate.service.web_part import WebPart
from syndicate.store.engine import Database
from syndicate.web.api.gate import AT_ONCE
from syndicate.web.bounded import HEAD_BYTES, BoundedProtocol

HEAD = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n"
FORM = HEAD % b"/subscribe" + b"content-type: application/x-www-form-urlencoded\r\n\r\n"


class Site:
    """A service that answers on a real socket."""

    def __init__(self, api: ApiSite, port: int) -> None:
        self.port = port
        self.article = (
            HEAD % b"/api/v1/articles/newsroom"
            + b"content-type: application/json\r\nauthorization: Bearer "
            + api.token.encode()
            + b"\r\n\r\n"
        )
        self.authorization = {"authorization": f"Bearer {api.token}"}

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(sent)
        return client

    def status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers=self.authorization)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def site(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Site]:
    api = ApiSite(sqlite_database, keyring, now, tmp_path)
    (listener,) = listen("127.0.0.1", 0)
    web = WebPart(api.app, [listener])
    try:
        site = Site(api, listener.getsockname()[1])
        end = time.monotonic() + 30
        while not web.server.started:
            assert time.monotonic() < end
            time.sleep(0.02)
        with caplog.at_level(logging.WARNING):
            yield site
        assert "Exception in ASGI" not in caplog.text
    finally:
        web.close()


def rest(client: socket.socket) -> bytes:
    """What comes until the other side closes. A time-out here is a failure: it was left open."""
    found = b""
    try:
        while piece := client.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    client.close()
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: b\r\n"])
def test_a_request_that_never_comes_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(BoundedProtocol, "whole", 0.5)
    assert rest(site.connect(sent)).startswith(b"HTTP/1.1 408 ")
    assert site.status("/healthz") == 200


def test_nor_one_that_comes_byte_by_byte(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "whole", 1.0)
    client = site.connect()
    sent = 0
    try:
        for byte in b"GET /" + b"x" * 2000:
            client.sendall(bytes([byte]))
            sent += 1
            time.sleep(0.05)
    except OSError:
        pass
    assert sent < 2000
    client.close()


def test_nor_a_body(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "whole", 0.5)
    for head in (FORM, site.article):
        assert rest(site.connect(head + b"a=b")) == b""
    assert site.status("/api/v1/articles") == 200


def test_after_an_answer_the_next_request_is_waited_for_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "whole", 0.5)
    client = site.connect(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    client.sendall(b"GET /heal")
    assert b"HTTP/1.1 408 " in rest(client)


def test_an_endless_head_is_refused(site: Site) -> None:
    client = site.connect(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    sent = 0
    try:
        while sent < 100 * HEAD_BYTES:
            client.sendall(b"x-long: " + b"x" * 10_000 + b"\r\n")
            sent += 10_000
    except OSError:
        pass
    assert sent < 100 * HEAD_BYTES
    client.close()
    assert site.status("/healthz") == 200


def test_slow_bodies_hold_up_nobody(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(2 * AT_ONCE):
            stack.enter_context(site.connect(site.article + b'{"title'))
            stack.enter_context(site.connect(FORM + b"email="))
        assert site.status("/api/v1/articles") == 200
        assert site.status("/privacy") == 200


def test_who_leaves_in_the_middle_is_no_fault_of_ours(site: Site) -> None:
    for head in (FORM, site.article):
        site.connect(head + b"a=b").close()
    site.connect(b"GET /privacy HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").close()
    assert site.status("/api/v1/articles") == 200
    time.sleep(0.3)


def test_who_takes_no_answer_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "taken", 0.5)
    client = site.connect()
    client.settimeout(30)
    cut_off = False
    while not cut_off:
        try:
            client.sendall(b"GET /api/openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 20)
        except TimeoutError:
            break
        except OSError:
            cut_off = True
    assert cut_off
    client.close()
    assert site.status("/healthz") == 200
