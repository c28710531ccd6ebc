"""Connections of ``guard.py``: resolved once, checked, made to the address that was checked, and ended in time."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore

from syndicate.core.internet import Address, Network, is_public, is_within, port_allowed
from syndicate.errors import FetchError, RefusedAddressError


class GuardedNetwork(httpcore.NetworkBackend):
    """Makes the connections of one session. ``deadline`` is a moment of ``time.monotonic``."""

    def __init__(self, deadline: float, *, allow_private: bool, networks: tuple[Network, ...]) -> None:
        self._deadline = deadline
        self._allow_private = allow_private
        self._networks = networks
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers; none of them may be private."""
        addresses = resolve(host, port, _left(self._deadline, timeout))
        for address in addresses:
            self._check(host, address, port)
        failure: Exception | None = None
        for address in addresses:
            try:
                stream = self._inner.connect_tcp(
                    str(address), port, _left(self._deadline, timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.NetworkStream:
        """Never: nobody names one of these."""
        raise RefusedAddressError(f"{path}: sockets of this machine are not asked")

    def _check(self, host: str, address: Address, port: int) -> None:
        if self._allow_private or is_within(address, self._networks):
            return
        if not is_public(address):
            where = host if host == str(address) else f"{host} ({address})"
            raise RefusedAddressError(f"{where} is a private address, which is not asked")
        if not port_allowed(port):
            raise RefusedAddressError(f"{host}: port {port} is not asked")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline: bytes that drip in one by one do not prolong it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host, as the system's resolver gives them, each once. Raises FetchError."""
    answer: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError, ValueError) as error:
            answer.put(error)

    # getaddrinfo knows no time-out: a thread that waits too long is left to the resolver's own.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise FetchError(f"{host}: its name server did not answer within {seconds:.0f} s") from None
    if isinstance(found, Exception):
        raise FetchError(f"{host}: there is no such host ({getattr(found, 'strerror', None) or found})") from found
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the exchange is over")
    return left if timeout is None else min(left, timeout)
