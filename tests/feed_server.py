"""A real HTTP server on 127.0.0.1 that plays feeds, good and bad: what it answers to each path is set by the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says. ``length`` lies about the body; ``drip`` sends a byte in so many seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    drip: float | None = None
    close: bool = False  # without a Content-Length: the end of the connection is the end of the body


@dataclass
class FeedServer:
    """``pages`` holds an answer, or what makes one of a request, for each path; all others are 404."""

    url: str
    pages: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def set(self, path: str, body: str | bytes, **headers: str) -> str:
        """Serve a document; returns its address."""
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Answer(body=data, headers={"Content-Type": "application/xml"} | named)
        return self.url + path

    def conditional(self, path: str, body: str | bytes, etag: str) -> str:
        """Serve a document with an entity tag; 304 to whom has it."""
        data = body.encode() if isinstance(body, str) else body

        def answer(asked: Asked) -> Answer:
            if asked.headers.get("if-none-match") == etag:
                return Answer(status=304, headers={"ETag": etag})
            return Answer(body=data, headers={"ETag": etag})

        self.pages[path] = answer
        return self.url + path

    def paths(self) -> list[str]:
        """What was asked for since the last time."""
        found = [asked.path for asked in self.asked]
        self.asked.clear()
        return found


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """A running server of this test's own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = Asked(path=self.path, headers={name.lower(): value for name, value in self.headers.items()})
            server.asked.append(asked)
            page = server.pages.get(self.path, Answer(status=404))
            answer = page if isinstance(page, Answer) else page(asked)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.close:
                self.send_header("Connection", "close")
            elif answer.status != 304:
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            try:
                if answer.drip is None:
                    self.wfile.write(answer.body)
                else:
                    for byte in answer.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(answer.drip)
            except OSError:
                pass  # who asked has gone away
            if answer.length is not None or answer.close:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_WR)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = FeedServer(url=f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
