"""Questions to the DNS and their answers. Rules ask by ``answer = yield Question(…)``, and ``answered`` drives them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

T = TypeVar("T")
Address = IPv4Address | IPv6Address


class Kind(StrEnum):
    """How the DNS answered. ``FAILED`` (no answer, SERVFAIL, REFUSED …) says nothing about the name."""

    FOUND = "found"
    EMPTY = "empty"  # the name is there, without such records (RFC 2308 2.2)
    NO_NAME = "no name"  # NXDOMAIN
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Question:
    """A name and a type of records: A, AAAA, MX, PTR or TXT."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The records as texts: addresses; names without their last dot; ``10 mail.example``; TXT with its strings joined.

    ``reason`` says why a question failed.
    """

    kind: Kind
    records: tuple[str, ...] = ()
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.kind is Kind.FAILED

    @property
    def void(self) -> bool:
        """A void look-up (RFC 7208 4.6.4): no name, or no such records."""
        return self.kind in {Kind.EMPTY, Kind.NO_NAME}


Asking = Generator[Question, Answer, T]


def answered(asking: Asking[T], ask: Callable[[Question], Answer]) -> T:
    """Lead rules that ask to their end."""
    try:
        question = next(asking)
        while True:
            question = asking.send(ask(question))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def exchanges(answer: Answer) -> list[tuple[int, str]]:
    """The mail exchangers of an MX answer: preference and host, the preferred first. A null MX has the host ``""``."""
    found = [record.partition(" ") for record in answer.records]
    return sorted((int(preference), host) for preference, _, host in found)
