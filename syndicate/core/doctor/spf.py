"""Evaluates SPF for one sending address, as a receiver does (RFC 7208, 4 and 5).

The record as a whole is looked at in ``spf_survey.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

from syndicate.core.doctor.names import Address, Answer, Asking, Kind, Question, exchanges
from syndicate.core.doctor.spf_macros import Mailing, expand
from syndicate.core.doctor.spf_record import SpfRecord, SpfSyntaxError, Term, is_spf, read_spf

MOST_LOOKUPS = 10
MOST_VOID = 2
MOST_HOSTS = 10  # of an mx mechanism, and names of a ptr one
LOOK_UP = frozenset({"include", "a", "mx", "ptr", "exists"})


class Result(StrEnum):
    """What RFC 7208 2.6 calls the results of an evaluation."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result, and by which term or why. ``domain`` is the record in which that was decided."""

    result: Result
    domain: str
    why: str


_OF_QUALIFIER = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


class PermanentError(Exception):
    """The record cannot be evaluated by anybody until its owner mends it."""


class TemporaryError(Exception):
    """The DNS did not answer."""


def spf_texts(answer: Answer) -> list[str]:
    """The SPF records among the TXT records of an answer."""
    return [text for text in answer.records if is_spf(text)]


def evaluate(domain: str, mailing: Mailing) -> Asking[Evaluation]:
    """The result for one address (``mailing.address``) that sends with an envelope sender of ``domain``."""
    evaluator = _Evaluator(mailing)
    try:
        return (yield from evaluator.check(domain))
    except PermanentError as error:
        return Evaluation(Result.PERMERROR, domain, str(error))
    except TemporaryError as error:
        return Evaluation(Result.TEMPERROR, domain, str(error))


class _Evaluator:
    """One evaluation, with its limits over all records that it goes through."""

    def __init__(self, mailing: Mailing) -> None:
        assert mailing.address is not None  # noqa: S101 - said above
        self._mailing = mailing
        self._address: Address = mailing.address
        self._lookups = 0
        self._voids = 0

    def check(self, domain: str) -> Asking[Evaluation]:
        answer = yield Question(domain, "TXT")
        if answer.failed:
            raise TemporaryError(f"{domain}: {answer.reason}")
        texts = spf_texts(answer)
        if not texts:
            return Evaluation(Result.NONE, domain, "there is no record")
        if len(texts) > 1:
            raise PermanentError(f"{domain} has {len(texts)} SPF records")
        try:
            record = read_spf(texts[0])
        except SpfSyntaxError as error:
            raise PermanentError(f"{domain}: {error}") from error
        return (yield from self._record(record, domain))

    def _record(self, record: SpfRecord, domain: str) -> Asking[Evaluation]:
        for term in record.terms:
            if (yield from self._matches(term, domain)):
                return Evaluation(_OF_QUALIFIER[term.qualifier], domain, term.text)
        if record.redirect is None:
            return Evaluation(Result.NEUTRAL, domain, "no mechanism matches")
        self._count()
        target = self._expanded(record.redirect, domain)
        found = yield from self.check(target)
        if found.result is Result.NONE:
            raise PermanentError(f"{domain} redirects to {target}, which has no SPF record")
        return found

    def _matches(self, term: Term, domain: str) -> Asking[bool]:
        if term.name in LOOK_UP:
            self._count()
        target = self._expanded(term.domain, domain) if term.domain is not None else domain
        match term.name:
            case "all":
                return True
            case "ip4" | "ip6":
                return term.network is not None and self._address in term.network
            case "include":
                return (yield from self._include(target, domain))
            case "a":
                return (yield from self._names_us(target, term))
            case "mx":
                return (yield from self._mx(target, term))
            case "exists":
                return not (yield from self._ask(target, "A")).void
            case _:
                return (yield from self._ptr(target))

    def _include(self, target: str, domain: str) -> Asking[bool]:
        found = yield from self.check(target)
        if found.result is Result.NONE:
            raise PermanentError(f"{domain} includes {target}, which has no SPF record")
        return found.result is Result.PASS

    def _names_us(self, host: str, term: Term, *, counts: bool = True) -> Asking[bool]:
        answer = yield from self._ask(host, self._type, counts=counts)
        length = term.v4 if self._address.version == 4 else term.v6  # noqa: PLR2004
        return any(self._address in ip_network(f"{each}/{length}", strict=False) for each in answer.records)

    def _mx(self, target: str, term: Term) -> Asking[bool]:
        hosts = [host for _, host in exchanges((yield from self._ask(target, "MX"))) if host]
        if len(hosts) > MOST_HOSTS:
            raise PermanentError(f"{target} has {len(hosts)} mail exchangers; mx takes at most {MOST_HOSTS}")
        for host in hosts:
            # What is asked of a single mx mechanism beyond the MX itself has its own limit (RFC 7208 4.6.4).
            if (yield from self._names_us(host, term, counts=False)):
                return True
        return False

    def _ptr(self, target: str) -> Asking[bool]:
        # An answer that fails makes it not match, rather than the evaluation fail (RFC 7208 5.5).
        names = yield Question(self._address.reverse_pointer, "PTR")
        if names.void:
            self._void(self._address.reverse_pointer)
        for name in names.records[:MOST_HOSTS]:
            if not f".{name}".lower().endswith(f".{target}".lower()):
                continue
            answer = yield Question(name, self._type)
            if any(ip_address(each) == self._address for each in answer.records):
                return True
        return False

    @property
    def _type(self) -> str:
        return "A" if self._address.version == 4 else "AAAA"  # noqa: PLR2004

    def _ask(self, name: str, type_: str, *, counts: bool = True) -> Asking[Answer]:
        answer = yield Question(name, type_)
        if answer.failed:
            raise TemporaryError(f"{name}: {answer.reason}")
        if answer.kind in {Kind.EMPTY, Kind.NO_NAME} and counts:
            self._void(name)
        return answer

    def _expanded(self, spec: str, domain: str) -> str:
        name = expand(spec, domain, self._mailing)
        assert name is not None  # noqa: S101 - the address is known
        return name

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise PermanentError(f"more than {MOST_LOOKUPS} look-ups")

    def _void(self, name: str) -> None:
        self._voids += 1
        if self._voids > MOST_VOID:
            raise PermanentError(f"more than {MOST_VOID} look-ups that find nothing, the last one {name}")
