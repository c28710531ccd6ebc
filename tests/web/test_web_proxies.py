"""A real nginx and a real Caddy in front of the service, with the files of ``examples/deploy``."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from api_site import ApiSite
from front_servers import program, started
from running import free_port
from web_servers import Answer, WebServer

from syndicate.model import Keyring
from syndicate.service.listening import listen
from syndicate.service.passes import build_feeds
from syndicate.service.web_part import WebPart
from syndicate.shipped import shipped
from syndicate.store.engine import Database

pytestmark = pytest.mark.slow

HOST = "news.courier.example"
DEPLOY = shipped("examples") / "deploy"


class Front:
    """A proxy on a port of this machine."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, host: str = HOST, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Front]:
    port = free_port()
    text = (DEPLOY / "nginx-proxy.conf").read_text()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/t-{kind};\n" for kind in kinds)
    text = text.replace("http {", f"http {{\naccess_log off;\n{temporary}", 1)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"daemon off;\npid {folder}/nginx.pid;\n{user}{text}")
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with started(command, port, folder):
        yield Front("nginx", port)


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[Front]:
    port = free_port()
    text = (DEPLOY / "Caddyfile-proxy").read_text()
    text = text.replace("http://127.0.0.1:8080", f"http://{HOST}:{port}")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with started(command, port, folder):
        yield Front("caddy", port)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Callable[[Path, int], Any]:
    found: Callable[[Path, int], Any] = request.param
    return found


@pytest.fixture
def site(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(
        sqlite_database,
        keyring,
        now,
        tmp_path,
        service={"min_free_disk": 0, "public_url": f"https://{HOST}", "feeds_dir": str(tmp_path / "feeds")},
    )


@pytest.fixture
def front(site: ApiSite, tmp_path: Path, proxy: Callable[[Path, int], Any]) -> Iterator[Front]:
    site.client.headers["host"] = HOST
    assert site.article().status_code == 201
    build_feeds(site.services)
    (listener,) = listen("127.0.0.1", 0)
    web = WebPart(site.app, [listener])
    try:
        end = time.monotonic() + 30
        while not web.server.started:
            assert time.monotonic() < end
            time.sleep(0.02)
        with proxy(tmp_path, listener.getsockname()[1]) as found:
            yield found
    finally:
        web.close()


def test_pages_feeds_and_api_pass_through(front: Front, site: ApiSite) -> None:
    status, headers, body = front.ask("/")
    assert status == 200
    assert b"The Harbour Courier" in body
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert re.fullmatch(r"[0-9a-f-]{32,36}", headers["x-request-id"])  # the proxy's
    status, headers, body = front.ask("/feeds/all/atom.xml", accept_encoding="gzip")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert front.ask("/feeds/all/atom.xml", accept_encoding="gzip", if_none_match=headers["etag"])[0] == 304
    bearer = f"Bearer {site.token}"
    article = json.dumps({"title": "Long", "text": "x" * 300_000}).encode()
    put = front.ask(
        "/api/v1/articles/newsroom/2026%2Flong", "PUT", article, authorization=bearer, content_type="application/json"
    )
    assert put[0] == 201, put
    assert json.loads(put[2])["id"] == "2026/long"
    status, headers, body = front.ask("/api/v1/nothing", authorization=bearer)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert front.ask("/readyz")[0] == 200


def test_what_is_not_for_the_world(front: Front) -> None:
    assert front.ask("/metrics")[0] == 404
    assert front.ask("/api/v1/articles")[0] == 401
    if front.name == "nginx":  # Caddy itself answers for no other host
        assert front.ask("/", host="evil.example")[0] == 421
    big = b"x" * 17_000_000
    try:
        status = front.ask("/subscribe", "POST", big, content_type="application/x-www-form-urlencoded")[0]
    except OSError:  # it was cut off while it was still talking
        status = 413
    assert status == 413
    assert front.ask("/healthz")[0] == 200


def test_what_a_client_says_of_itself_counts_for_nothing(proxy: Callable[[Path, int], Any], tmp_path: Path) -> None:
    lies = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "https", "x_request_id": "mine"}
    with WebServer(lambda _request: Answer(body=b"ok")) as upstream, proxy(tmp_path, upstream.port) as front:
        assert front.ask("/", **lies)[0] == 200
    (request,) = upstream.received
    assert request.headers["x-forwarded-for"] == "127.0.0.1"
    assert request.headers["x-forwarded-proto"] == "http"
    assert request.headers["x-request-id"] != "mine"
    assert request.headers["host"].partition(":")[0] == HOST
