"""Finds the DMARC record that counts for a domain, and its organizational domain, by the tree walk of RFC 9989 4.10."""

from __future__ import annotations

from dataclasses import dataclass, field

from syndicate.core.doctor.dmarc_record import DmarcRecord, DmarcSyntaxError, is_dmarc, read_dmarc
from syndicate.core.doctor.names import Asking, Question

MOST_QUERIES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a domain has at ``_dmarc``: all its DMARC records, and the one that counts, if one does."""

    domain: str
    texts: tuple[str, ...]
    record: DmarcRecord | None = None
    fault: str = ""


@dataclass(slots=True)
class Walk:
    """A tree walk: what was found at each domain that has something, the start first.

    ``failed``: the name at which it ended because nobody answered, and why.
    """

    start: str
    found: list[Found] = field(default_factory=list)
    failed: tuple[str, str] | None = None

    @property
    def own(self) -> Found | None:
        """What the domain itself has."""
        return next((each for each in self.found if each.domain == self.start), None)

    @property
    def organizational(self) -> str:
        """The organizational domain (RFC 9989 4.10.2)."""
        records = [(each.domain, each.record) for each in self.found if each.record is not None]
        for domain, record in records:
            if record.psd == "n":
                return domain
            if record.psd == "y" and domain != self.start:
                # One label below the public suffix.
                below = self.start.removesuffix(f".{domain}").rpartition(".")[2]
                return f"{below}.{domain}"
        return records[-1][0] if records else self.start

    @property
    def applied(self) -> Found | None:
        """The record that counts: the domain's own, else its organizational domain's, else that of the suffix above."""
        usable = [each for each in self.found if each.record is not None]
        above = [each for each in usable if each.domain in {self.start, self.organizational} or each is usable[-1]]
        return above[0] if above else None


def walked(domain: str) -> list[str]:
    """The domains of a tree walk from ``domain``, at most eight (RFC 9989 4.10)."""
    labels = domain.lower().rstrip(".").split(".")
    names = [".".join(labels)]
    if len(labels) > MOST_QUERIES:
        labels = labels[-MOST_QUERIES:]  # of a long name the middle is left out: 7 labels come next
    labels = labels[1:]
    while labels:
        names.append(".".join(labels))
        labels = labels[1:]
    return names


def walk(domain: str) -> Asking[Walk]:
    """Walk up from a domain."""
    result = Walk(domain.lower().rstrip("."))
    for name in walked(domain):
        answer = yield Question(f"_dmarc.{name}", "TXT")
        if answer.failed:
            # What stands above it decides with it: without this answer the walk has no end that could be trusted.
            result.failed = (f"_dmarc.{name}", answer.reason)
            break
        texts = tuple(text for text in answer.records if is_dmarc(text))
        if not texts:
            continue
        found = _one(name, texts)
        result.found.append(found)
        if found.record is not None and (found.record.psd == "n" or (found.record.psd == "y" and name != result.start)):
            break
    return result


def _one(name: str, texts: tuple[str, ...]) -> Found:
    if len(texts) > 1:
        return Found(name, texts, fault=f"there are {len(texts)} DMARC records; receivers take none of them")
    try:
        return Found(name, texts, read_dmarc(texts[0]))
    except DmarcSyntaxError as error:
        return Found(name, texts, fault=str(error))
