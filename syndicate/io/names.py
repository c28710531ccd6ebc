"""Asks the DNS: the machine's own resolvers or a named one, over UDP and, where an answer is cut, TCP.

Every question is bounded in time and asked once; what went wrong is an answer of the kind ``FAILED``, never an error.
"""

from __future__ import annotations

import re
from concurrent.futures import Future
from ipaddress import ip_address
from threading import Lock

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from syndicate.core.doctor.names import Answer, Kind, Question
from syndicate.errors import UsageError

_PORT = 53
# Without brackets the colons of an IPv6 address are its own.
_SERVER = re.compile(r"([0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)|\[(.+)\](?::(\d+))?|([^:\[\]]+)(?::(\d+))?")
_TRY = 2.0  # seconds for one server's answer
_SECONDS = 6.0  # for a question with all that are tried
_ENOUGH = 3  # after so many questions without any answer no more are asked
_MANY = 1_000_000

_NO_NAMES = (
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
    dns.name.EmptyLabel,
    dns.name.BadEscape,
    dns.name.IDNAException,
    UnicodeError,
)


class Resolver:
    """Answers questions; safe to share by threads. ``nameserver``: ``ADDRESS`` or ``ADDRESS:PORT`` instead of ours."""

    def __init__(self, nameserver: str | None = None, *, seconds: float = _SECONDS) -> None:
        self._known: dict[Question, Future[Answer]] = {}
        self._lock = Lock()
        self._fault = ""
        self._silences = 0  # questions that ran out of time; none counts any more once one was answered
        try:
            self._resolver = dns.resolver.Resolver(configure=nameserver is None)
        except (dns.exception.DNSException, OSError) as error:  # no resolv.conf, or one without a server
            self._resolver = dns.resolver.Resolver(configure=False)
            self._fault = f"this machine has no DNS resolver ({error})"
        if nameserver is not None:
            address, port = _server(nameserver)
            self._resolver.nameservers = [address]
            self._resolver.port = port
        self._resolver.timeout = min(_TRY, seconds)
        self._resolver.lifetime = seconds

    def ask(self, question: Question) -> Answer:
        """Ask, or give the answer of the first time."""
        if self._fault:
            return Answer(Kind.FAILED, reason=self._fault)
        if self._silences >= _ENOUGH:
            return Answer(Kind.FAILED, reason="no name server answers anything")
        with self._lock:
            known = self._known.get(question)
            mine = known is None
            if known is None:
                known = self._known[question] = Future()
        if mine:
            try:
                known.set_result(self._ask(question))
            except BaseException as error:
                known.set_exception(error)  # whoever waits for it must not wait for ever
                raise
        return known.result()

    def _ask(self, question: Question) -> Answer:
        try:
            name = dns.name.from_text(question.name)
            found = self._resolver.resolve(name, question.type, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            self._silences = -_MANY
            return Answer(Kind.NO_NAME)
        except dns.resolver.NoNameservers as error:
            said = sorted({str(each[3]) for each in error.kwargs.get("errors", ())})
            return Answer(Kind.FAILED, reason=f"the name server gave no answer: {', '.join(said) or 'nothing'}")
        except dns.exception.Timeout:
            self._silences += 1
            return Answer(Kind.FAILED, reason=f"no name server answered within {self._resolver.lifetime:g} s")
        except (dns.exception.DNSException, UnicodeError) as error:
            # A name that cannot be one is there for nobody.
            if isinstance(error, _NO_NAMES):
                return Answer(Kind.NO_NAME)
            return Answer(Kind.FAILED, reason=str(error) or type(error).__name__)
        except OSError as error:
            return Answer(Kind.FAILED, reason=error.strerror or str(error))
        self._silences = -_MANY
        records = tuple(_text(record) for record in found.rrset or ())
        return Answer(Kind.FOUND if records else Kind.EMPTY, tuple(sorted(records)))


def _text(record: object) -> str:
    if isinstance(record, TXT):
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    if isinstance(record, MX):
        return f"{record.preference} {record.exchange.to_text(omit_final_dot=True).rstrip('.')}"
    if isinstance(record, PTR):
        return record.target.to_text(omit_final_dot=True)
    return str(record)


def _server(text: str) -> tuple[str, int]:
    """``ADDRESS``, ``ADDRESS:PORT`` or ``[IPv6]:PORT``. Raises UsageError."""
    found = _SERVER.fullmatch(text)
    try:
        address = ip_address(found[1] or found[2] or found[4]) if found else None
        port = int((found[3] or found[5] if found else None) or _PORT)
    except ValueError:
        address, port = None, 0
    if address is None or not 0 < port < 1 << 16:
        raise UsageError(f"--nameserver {text!r}: expected an address such as 192.0.2.53 or 127.0.0.1:5353")
    return str(address), port
