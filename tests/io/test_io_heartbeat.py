from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from syndicate.io.heartbeat import ping

SECRET = "5eCr37-pAth"


class Server(ThreadingHTTPServer):
    asked: list[tuple[str, str | None]]


class Watch(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["User-Agent"]))
        if self.path.startswith("/slow"):
            time.sleep(1.5)
        status = {"/gone": 404, "/moved": 302, "/broken": 500}.get(self.path.partition("?")[0], 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"/{SECRET}")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def watch() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    with Server(("127.0.0.1", 0), Watch) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", server.asked
        server.shutdown()
        thread.join()


def test_all_is_well() -> None:
    with watch() as (url, asked):
        assert ping(f"{url}/{SECRET}?from=courier") is None
    ((path, agent),) = asked
    assert path == f"/{SECRET}?from=courier"
    assert agent is not None
    assert agent.startswith("syndicate/")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/gone", "127.0.0.1 answered 404 Not Found"),
        ("/broken", "127.0.0.1 answered 500 Internal Server Error"),
        ("/moved", "127.0.0.1 answered 302 Found"),
        ("/slow", "127.0.0.1 did not answer within 0.5 s"),
    ],
)
def test_what_was_wrong_without_the_secret(path: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with watch() as (url, asked):
        assert ping(f"{url}{path}?{SECRET}", timeout=0.5 if path == "/slow" else 30) == text
        assert len(asked) == 1, "a redirect is not followed"
    assert SECRET not in caplog.text


def test_nobody_there() -> None:
    with watch() as (url, _):
        pass
    assert ping(f"{url}/{SECRET}") == "127.0.0.1 cannot be reached: ConnectError"


@pytest.mark.parametrize(
    "url", [f"ftp://watch.example/{SECRET}", SECRET, f"http://[{SECRET}", f"https:///{SECRET}", ""]
)
def test_what_is_no_address(url: str) -> None:
    error = ping(url)
    assert error is not None
    assert SECRET not in error
