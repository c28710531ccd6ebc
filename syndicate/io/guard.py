"""HTTP to addresses that strangers name: no private networks, few redirects, bounded time and size.

A host is resolved once and the connection goes to the very address that was checked, so that a second answer of its
name server (DNS rebinding) changes nothing. The rules about addresses are in ``core/internet.py``.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import httpcore
import httpx

from syndicate import __version__
from syndicate.core.internet import Network
from syndicate.errors import FetchError
from syndicate.io.decompress import ACCEPT_ENCODING, decompressed
from syndicate.io.guarded_network import GuardedNetwork

AGENT = f"Syndicate/{__version__}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_FOR_ONE_HOST = frozenset({"authorization", "cookie", "if-none-match", "if-modified-since"})
# What the system and OpenSSL put around their words: "[Errno 111] ", "[SSL: WRONG_VERSION_NUMBER] ", "(_ssl.c:1006)".
_CODES = re.compile(r"^\[[^\]]*\] | ?\(_ssl\.c:\d+\)$")
_LIBRARY_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an exchange may take: seconds for all of it with its redirects, bytes of the body after decompression.

    ``cut``: of a longer body the beginning is enough. ``allow_private``: any address and port (what an operator
    configured); ``networks``: private networks that are allowed beside the Internet. ``context`` is for servers whose
    certificates nobody else knows.
    """

    seconds: float = 20.0
    body_bytes: int = 10_000_000
    cut: bool = False
    redirects: int = 5
    allow_private: bool = False
    networks: tuple[Network, ...] = ()
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer of any status. ``url`` is where it came from, ``permanent_url`` what to ask from now on.

    ``permanent_url`` follows only those redirects at the beginning that say they are permanent (301, 308).
    """

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    url: str
    permanent_url: str


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    limits: Limits | None = None,
) -> Fetched:
    """One exchange, with redirects followed for GET and HEAD, each checked anew.

    Raises RefusedAddressError for an address that may not be asked, FetchError for everything that is no answer: no
    such host, refused, too slow, too large, broken. Any status is an answer.
    """
    limits = limits or Limits()
    follow = limits.redirects if method in {"GET", "HEAD"} else 0
    with session(limits) as guarded:
        return guarded.fetch(url, method=method, headers=headers or {}, content=content, follow=follow)


class GuardedSession:
    """Exchanges that share connections and one limit of time."""

    def __init__(self, client: httpx.Client, limits: Limits, deadline: float) -> None:
        self._client = client
        self._limits = limits
        self._deadline = deadline

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        follow: int = 0,
    ) -> Fetched:
        """As the function of this name; ``follow`` is the number of redirects to follow."""
        sent = {"user-agent": AGENT, "accept-encoding": ACCEPT_ENCODING, **_lower(headers or {})}
        permanent_url, permanent = url, True
        for hop in range(follow + 1):
            status, answer, body, target = self._once(url, method=method, headers=sent, content=content)
            if target is None or follow == 0:
                return Fetched(status=status, headers=answer, body=body, url=url, permanent_url=permanent_url)
            if hop == follow:
                raise FetchError(f"{url}: more than {follow} redirects")
            permanent = permanent and status in _PERMANENT
            if _origin(target) != _origin(url):
                sent = {name: value for name, value in sent.items() if name not in _FOR_ONE_HOST}
            url = target
            permanent_url = url if permanent else permanent_url
        raise AssertionError("the loop returns or raises")

    def _once(
        self, url: str, *, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, httpx.Headers, bytes, str | None]:
        limit = self._limits.body_bytes
        try:
            with self._client.stream(method, url, headers=dict(headers), content=content) as response:
                target = response.headers.get("location") if response.status_code in _REDIRECTS else None
                if target is not None:
                    # Its body is nobody's business; the connection is closed with it unread.
                    return response.status_code, response.headers, b"", str(response.url.join(target))
                announced = response.headers.get("content-length", "")
                large = announced.isdecimal() and int(announced[:18]) > limit
                if method != "HEAD" and large and not self._limits.cut:
                    raise FetchError(f"{url}: {announced} bytes, more than the {limit} that are read")
                encoding = response.headers.get("content-encoding", "")
                body = b""
                if method != "HEAD":
                    body = self._read(url, decompressed(response.iter_raw(), encoding, limit))
                return response.status_code, response.headers, body, None
        except _LIBRARY_ERRORS as error:
            raise FetchError(f"{url}: {_reason(error, self._limits.seconds)}") from error
        except (UnicodeError, ValueError, OSError) as error:  # an address that cannot be, a certificate that is not
            raise FetchError(f"{url[:200]}: {_CODES.sub('', str(error))}") from error

    def _read(self, url: str, chunks: Iterable[bytes]) -> bytes:
        body, limit = bytearray(), self._limits.body_bytes
        for chunk in chunks:
            body += chunk
            if len(body) > limit and not self._limits.cut:
                raise FetchError(f"{url}: more than the {limit} bytes that are read")
            if len(body) > limit:
                break
        return bytes(body[:limit])


@contextmanager
def session(limits: Limits | None = None) -> Iterator[GuardedSession]:
    """Exchanges that share connections; all of them together have ``limits.seconds``."""
    limits = limits or Limits()
    deadline = time.monotonic() + limits.seconds
    network = GuardedNetwork(deadline, allow_private=limits.allow_private, networks=limits.networks)
    transport = _Transport(httpcore.ConnectionPool(ssl_context=limits.context or _context(), network_backend=network))
    timeout = httpx.Timeout(limits.seconds)
    # trust_env off: a proxy of the environment would connect for us, to whatever it is told.
    with httpx.Client(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False) as client:
        yield GuardedSession(client, limits, deadline)


class _Transport(httpx.BaseTransport):
    """httpx over a pool of ours: its own transport has no place for a network backend."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in {"http", "https"}:
            raise FetchError(f"{request.url}: expected an http or https address")
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - a sync client makes no other
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(answer.stream, Iterable)  # noqa: S101 - nor does a sync pool
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@cache
def _context() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading the authorities takes 20 ms


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, httpx.TimeoutException | httpcore.TimeoutException):
        return f"no whole answer within {seconds:g} s"
    return _CODES.sub("", str(error)) or type(error).__name__
