"""Real HTTP servers on 127.0.0.1 for tests of WebSub and of the guard: one records what it gets and answers by a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connection: int  # the client's port: the same for requests over one connection

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query, True).items()}

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode("ascii"), True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer. ``drip``: seconds between single bytes; ``close``: break off instead of answering."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drip: float = 0.0
    close: bool = False
    length: int | None = None  # what Content-Length says; by default the truth


def echo(request: Received) -> Answer:
    """A subscriber that confirms everything and takes everything."""
    return Answer(body=request.query.get("hub.challenge", "").encode())


class WebServer:
    """As a context manager; ``received`` grows as requests come in, ``answer`` may be changed while it runs."""

    def __init__(self, answer: Callable[[Received], Answer] = echo, *, context: Any = None) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self._stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                request = Received(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                    at=time.time(),
                    connection=self.client_address[1],
                )
                outer.received.append(request)
                outer._reply(self, outer.answer(request))

            do_GET = do_POST = do_HEAD = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Clients that break off are part of these tests."""

        self._server = Server((HOST, 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'https' if context else 'http'}://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _reply(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        self._stopping.wait(answer.wait)
        if answer.close:
            handler.close_connection = True
            return
        length = len(answer.body) if answer.length is None else answer.length
        head = "".join(f"{name}: {value}\r\n" for name, value in {"content-length": length, **answer.headers}.items())
        raw = f"HTTP/1.1 {answer.status} Said\r\n{head}\r\n".encode("latin-1")
        raw += b"" if handler.command == "HEAD" else answer.body
        if answer.length is not None:
            handler.close_connection = True
        if not answer.drip:
            handler.wfile.write(raw)
            return
        for place in range(len(raw)):
            handler.wfile.write(raw[place : place + 1])
            if self._stopping.wait(answer.drip):
                return

    def posts(self) -> list[Received]:
        return [request for request in self.received if request.method == "POST"]

    def gets(self) -> list[Received]:
        return [request for request in self.received if request.method == "GET"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
