"""Links that are asked: those that lead nowhere are named, those that only want a log-in or a GET are not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest
from running import free_port

from syndicate.io.link_check import dead_links

HERE = [ip_network("127.0.0.0/8")]


class Pages(BaseHTTPRequestHandler):
    """``/STATUS`` answers with it; ``/get-only`` knows no HEAD; ``/moved`` leads to ``/200``."""

    def do_HEAD(self) -> None:
        self._answer(404 if self.path == "/get-only" else None)

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/get-only" else None)

    def _answer(self, status: int | None) -> None:
        if self.path == "/moved":
            self.send_response(301)
            self.send_header("location", "/200")
        else:
            self.send_response(status or int(self.path.strip("/")))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_gone_is_named_in_the_order_of_the_mail(site: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    paths = ("404", "200", "moved", "get-only", "403", "429", "500")
    links = [*(f"{site}/{path}" for path in paths), nobody, f"{site}/410#part"]
    found = dead_links(links, HERE)
    assert [finding.where for finding in found] == [f"{site}/404", f"{site}/500", nobody, f"{site}/410#part"]
    assert [finding.what for finding in found][:2] == ["the server answers 404", "the server answers 500"]
    assert {finding.code for finding in found} == {"link-dead"}
    assert {finding.severity.value for finding in found} == {"warning"}


def test_private_networks_are_not_asked(site: str) -> None:
    assert ["private" in finding.what for finding in dead_links([f"{site}/200"])] == [True]
    assert dead_links([]) == []
