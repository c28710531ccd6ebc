"""Asks the DNS: the machine's own resolvers or a named one, over UDP and, where an answer is cut, TCP.

Every question is bounded in time and asked once; what went wrong is an answer of the kind ``FAILED``, never an error.
"""

from __future__ import annotations

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
_TRY = 2.0  # seconds for one server's answer
_SECONDS = 6.0  # for a question with all that are tried


class Resolver:
    """Answers questions; safe to share by threads. ``nameserver``: ``ADDRESS`` or ``ADDRESS:PORT`` instead of ours."""

    def __init__(self, nameserver: str | None = None, *, seconds: float = _SECONDS) -> None:
        self._known: dict[Question, Future[Answer]] = {}
        self._lock = Lock()
        self._fault = ""
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
        with self._lock:
            known = self._known.get(question)
            mine = known is None
            if known is None:
                known = self._known[question] = Future()
        if mine:
            known.set_result(self._ask(question))
        return known.result()

    def _ask(self, question: Question) -> Answer:
        try:
            name = dns.name.from_text(question.name)
            found = self._resolver.resolve(name, question.type, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return Answer(Kind.NO_NAME)
        except dns.resolver.NoNameservers as error:
            codes = sorted({str(each[4]) for each in error.kwargs.get("errors", ()) if str(each[4]).isupper()})
            return Answer(Kind.FAILED, reason=f"the name server says {' and '.join(codes) or 'nothing that is of use'}")
        except dns.exception.Timeout:
            return Answer(Kind.FAILED, reason=f"no name server answered within {self._resolver.lifetime:g} s")
        except (dns.exception.DNSException, UnicodeError) as error:
            # A name that cannot be one is there for nobody.
            if isinstance(error, dns.name.LabelTooLong | dns.name.NameTooLong | dns.name.EmptyLabel | UnicodeError):
                return Answer(Kind.NO_NAME)
            return Answer(Kind.FAILED, reason=str(error) or type(error).__name__)
        except OSError as error:
            return Answer(Kind.FAILED, reason=error.strerror or str(error))
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
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(_PORT)
    try:
        address = ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        number, address = 0, None
    if address is None or not 0 < number < 1 << 16:
        raise UsageError(f"--nameserver {text!r}: expected an address such as 192.0.2.53 or 127.0.0.1:5353")
    return str(address), number
