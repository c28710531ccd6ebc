"""The sample configurations of ``examples/deploy``: a real nginx and a real Caddy serve a published folder alone."""

from __future__ import annotations

import gzip
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import brotli
import pytest
from feed_site import FeedSite
from front_servers import program, started
from running import free_port

from syndicate.shipped import shipped

pytestmark = pytest.mark.slow

BODY = "<rss>" + "What happened in the harbour. " * 100 + "</rss>"
TYPES = {
    "/feeds/all/rss.xml": "application/rss+xml; charset=utf-8",
    "/feeds/all/atom.xml": "application/atom+xml; charset=utf-8",
    "/feeds/all/feed.json": "application/feed+json",
    "/feeds/all/category/port/rss.xml": "application/rss+xml; charset=utf-8",
    "/feeds/all/archive/1/atom.xml": "application/atom+xml; charset=utf-8",
    "/feeds.opml": "text/x-opml; charset=utf-8",
}
_BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")


class Server(NamedTuple):
    port: int
    folder: Path
    encodings: tuple[str, ...]

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = FeedSite(tmp_path)
    for path in TYPES:
        site.write(path.removeprefix("/feeds").removeprefix("/").replace(".opml", "feeds.opml"), path + BODY)
    (site.folder / "all/.rss.xml.new").write_text("half")
    (tmp_path / "secret.key").write_text("secret")
    for place in (tmp_path, *tmp_path.parents):  # its workers may be another user
        if place.stat().st_uid == os.getuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)
    return tmp_path


@pytest.fixture
def nginx(folder: Path) -> Iterator[Server]:
    command, port = program("nginx"), free_port()
    text = (shipped("examples") / "deploy" / "nginx.conf").read_text()
    with_brotli = _BROTLI.exists()
    if not with_brotli and os.environ.get("CI") == "true":
        pytest.fail(f"{_BROTLI} is missing; on Debian and Ubuntu: apt install libnginx-mod-http-brotli-static")
    if with_brotli:
        text = text.replace("#brotli ", "").replace("modules/ngx_http_brotli", f"{_BROTLI.parent}/ngx_http_brotli")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/srv/syndicate", str(folder))
    temporary = "".join(
        f"{kind}_temp_path {folder}/t-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{\naccess_log off;\n{temporary}", 1)
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\n{user}{text}"
        if not with_brotli
        else text.replace("events {", f"daemon off;\npid {folder}/nginx.pid;\n{user}events {{", 1)
    )
    arguments = ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with started([command, *arguments], port, folder):
        yield Server(port, folder, ("gzip", "br") if with_brotli else ("gzip",))


@pytest.fixture
def caddy(folder: Path) -> Iterator[Server]:
    command, port = program("caddy"), free_port()
    text = (shipped("examples") / "deploy" / "Caddyfile").read_text()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/srv/syndicate", str(folder))
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    arguments = ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with started([command, *arguments], port, folder):
        yield Server(port, folder, ("gzip", "br"))


@pytest.fixture(params=["nginx", "caddy"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def test_a_published_folder_without_syndicate(server: Server) -> None:
    for path, media_type in TYPES.items():
        status, headers, body = server.ask(path)
        assert (status, headers["content-type"]) == (200, media_type), path
        assert body.decode() == path + BODY
        assert "max-age=" in headers["cache-control"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["access-control-allow-origin"] == "*"
        if path != "/feeds.opml":
            assert headers["link"] == f'<https://news.courier.example{path}>; rel="self"'
        _check_encodings(server, path)
        for known in ({"If_None_Match": headers["etag"]}, {"If_Modified_Since": headers["last-modified"]}):
            for method in ("GET", "HEAD"):
                status, again, body = server.ask(path, method, **known)
                assert (status, body) == (304, b"")
                assert "max-age=" in again["cache-control"]
        status, alone, body = server.ask(path, "HEAD")
        assert (status, body, alone["etag"]) == (200, b"", headers["etag"])


def _check_encodings(server: Server, path: str) -> None:
    for encoding in server.encodings:
        status, headers, body = server.ask(path, Accept_Encoding=encoding)
        assert status == 200
        assert headers["content-encoding"] == encoding
        assert headers["content-type"] == TYPES[path]
        assert "accept-encoding" in headers["vary"].lower()
        text = gzip.decompress(body) if encoding == "gzip" else brotli.decompress(body)
        assert text.decode() == path + BODY
        assert server.ask(path, Accept_Encoding=encoding, If_None_Match=headers["etag"])[0] == 304


def test_nothing_else_is_given_away(server: Server) -> None:
    for path in (
        "/feeds/all/.rss.xml.new",
        "/feeds/all/rss.xml.gz",
        "/feeds/all/rss.xml.br",
        "/feeds/none/rss.xml",
        "/secret.key",
        "/feeds/../secret.key",
        "/feeds/%2e%2e/secret.key",
    ):
        status, _, body = server.ask(path)
        assert status in {400, 404}, path
        assert b"secret" not in body
        assert b"half" not in body
