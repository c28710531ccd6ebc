"""A DNS server of our own on 127.0.0.1, over UDP and TCP, that knows a few names and misbehaves on demand."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

HOST = "127.0.0.1"
#: Records by name and type: ``{"courier.example": {"TXT": ["v=spf1 -all"], "MX": ["10 mail.courier.example."]}}``. A TXT
#: record that is a tuple consists of several strings.
Zone = Mapping[str, Mapping[str, Sequence[str | tuple[str, ...]]]]


class DnsServer:
    """A context manager. ``failing`` names get SERVFAIL, ``silent`` ones nothing, ``cut`` ones their answer by TCP alone."""

    def __init__(
        self,
        zone: Zone,
        *,
        failing: Sequence[str] = (),
        silent: Sequence[str] = (),
        cut: Sequence[str] = (),
    ) -> None:
        self.zone = {name.lower(): records for name, records in zone.items()}
        self.failing = {name.lower() for name in failing}
        self.silent = {name.lower() for name in silent}
        self.cut = {name.lower() for name in cut}
        self.asked: list[tuple[str, str, str]] = []  # name, type, "udp" or "tcp"
        self._udp, self._tcp = _sockets()
        self.port: int = self._udp.getsockname()[1]
        self._threads = [
            threading.Thread(target=run, name="dns-server", daemon=True) for run in (self._serve_udp, self._serve_tcp)
        ]

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in (self._udp, self._tcp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                query, client = self._udp.recvfrom(65_535)
                if not query:
                    return
                reply = self._answer(query, "udp")
                if reply is not None:
                    self._udp.sendto(reply, client)

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    size = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                    reply = self._answer(connection.recv(size, socket.MSG_WAITALL), "tcp")
                    if reply is not None:
                        connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _answer(self, wire: bytes, by: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        type_ = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, type_, by))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.cut and by == "udp":
            reply.flags |= dns.flags.TC
        elif name not in self.zone:
            beneath = any(other.endswith(f".{name}") for other in self.zone)
            reply.set_rcode(dns.rcode.NOERROR if beneath else dns.rcode.NXDOMAIN)
        else:
            texts = [_text(record) for record in self.zone[name].get(type_, ())]
            if texts:
                reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", type_, *texts))
        return reply.to_wire(max_size=65_535)


def _text(record: str | tuple[str, ...]) -> str:
    if isinstance(record, tuple):
        return " ".join(_quoted(part) for part in record)
    return record


def _quoted(part: str) -> str:
    escaped = part.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def txt(text: str) -> tuple[str, ...]:
    """A TXT record of as many strings of 255 octets as it takes."""
    return tuple(text[start : start + 255] for start in range(0, len(text), 255)) or ("",)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same port."""
    while True:
        listener = socket.create_server((HOST, 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind((HOST, listener.getsockname()[1]))
        except OSError:
            listener.close()
            datagrams.close()
        else:
            return datagrams, listener
