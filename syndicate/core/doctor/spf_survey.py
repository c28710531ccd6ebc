"""Goes through a whole SPF record with all it includes, as for an address that nothing matches, and counts the cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from syndicate.core.doctor.names import Asking, Question, exchanges
from syndicate.core.doctor.spf import LOOK_UP, MOST_HOSTS, spf_texts
from syndicate.core.doctor.spf_macros import Mailing, expand
from syndicate.core.doctor.spf_record import SpfRecord, SpfSyntaxError, Term, read_spf

_MOST_RECORDS = 40  # of other domains; whoever needs so many has long passed the limit


@dataclass(slots=True)
class Survey:
    """What was found. ``costs`` are look-ups by the term of the first record that causes them.

    ``faults`` make the whole record void for receivers: rule, and what is wrong. ``all`` is the qualifier of the last
    word, None where there is none. ``unanswered``: names that nobody told about, and why.
    """

    texts: list[str] = field(default_factory=list)
    record: SpfRecord | None = None
    costs: dict[str, int] = field(default_factory=dict)
    voids: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    unanswered: list[tuple[str, str]] = field(default_factory=list)
    with_ptr: list[str] = field(default_factory=list)
    all: str | None = None
    #: Domains with "+all", the record's own or an included one's.
    open: list[str] = field(default_factory=list)

    @property
    def lookups(self) -> int:
        return sum(self.costs.values())


def survey(domain: str, mailing: Mailing) -> Asking[Survey]:
    """Go through the record of a domain. ``mailing.address`` is not used: no mechanism but ``all`` matches."""
    found = Survey()
    yield from _Walk(found, Mailing(None, mailing.sender, mailing.helo)).record(domain, (), "")
    return found


class _Walk:
    def __init__(self, found: Survey, mailing: Mailing) -> None:
        self._found = found
        self._mailing = mailing
        self._records = 0

    def record(self, domain: str, chain: tuple[str, ...], cause: str) -> Asking[None]:
        """``chain``: the domains that led here; ``cause``: the term of the first record that all this is counted to."""
        found = self._found
        key = domain.lower()
        if key in chain:
            found.faults.append(("spf.loop", f"the records go round in a circle: {' → '.join((*chain, key))}"))
            return
        self._records += 1
        if self._records > _MOST_RECORDS:
            return
        answer = yield Question(domain, "TXT")
        if answer.failed:
            found.unanswered.append((domain, answer.reason))
            return
        texts = spf_texts(answer)
        if not chain:
            found.texts = texts
        if len(texts) != 1:
            if chain:
                many = f"has {len(texts)} SPF records" if texts else "has no SPF record"
                found.faults.append(("spf.include", f"{chain[-1]} refers to {domain}, which {many}"))
            return
        try:
            record = read_spf(texts[0])
        except SpfSyntaxError as error:
            found.faults.append(("spf.syntax", f"{error}{f', in the record of {domain}' if chain else ''}"))
            return
        if not chain:
            found.record = record
        yield from self._terms(record, domain, (*chain, key), cause)

    def _terms(self, record: SpfRecord, domain: str, chain: tuple[str, ...], cause: str) -> Asking[None]:
        found = self._found
        first = len(chain) == 1
        for term in record.terms:
            if term.name == "all":
                if term.qualifier == "+":
                    found.open.append(domain)
                if first:
                    found.all = term.qualifier
                return
            if term.name in LOOK_UP:
                by = cause or term.text
                found.costs[by] = found.costs.get(by, 0) + 1
                yield from self._term(term, domain, chain, by)
        if record.redirect is not None:
            by = cause or f"redirect={record.redirect}"
            found.costs[by] = found.costs.get(by, 0) + 1
            target = expand(record.redirect, domain, self._mailing)
            if target is not None:
                yield from self.record(target, chain, by)
                if first:
                    found.all = found.all or "redirect"

    def _term(self, term: Term, domain: str, chain: tuple[str, ...], cause: str) -> Asking[None]:
        found = self._found
        if term.name == "ptr":
            found.with_ptr.append(domain)
            return
        target = expand(term.domain, domain, self._mailing) if term.domain is not None else domain
        if target is None:  # it depends on who sends
            return
        if term.name == "include":
            yield from self.record(target, chain, cause)
        elif term.name == "mx":
            yield from self._mx(target)
        else:
            yield from self._addresses(target, ("A",) if term.name == "exists" else ("A", "AAAA"))

    def _mx(self, target: str) -> Asking[None]:
        answer = yield Question(target, "MX")
        if answer.failed:
            self._found.unanswered.append((target, answer.reason))
        elif answer.void:
            self._found.voids.append(f"{target} (MX)")
        elif len(exchanges(answer)) > MOST_HOSTS:
            self._found.faults.append(
                ("spf.mx", f"mx finds {len(answer.records)} mail exchangers at {target}; receivers take {MOST_HOSTS}")
            )

    def _addresses(self, target: str, types: tuple[str, ...]) -> Asking[None]:
        for type_ in types:
            answer = yield Question(target, type_)
            if answer.failed:
                self._found.unanswered.append((target, answer.reason))
                return
            if not answer.void:
                return
        self._found.voids.append(target)
