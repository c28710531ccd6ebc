"""What is wrong with a relay, from what a session without a message showed. Who holds it: ``io/relay_trial.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syndicate.core.doctor.certificate import Certificate, judge_end
from syndicate.core.doctor.finding import Finding, Group, Judge

_SMALLEST_SIZE = 512_000  # octets: five times what Gmail shows of a mail
_MEGABYTE = 1_000_000
_WISHED = ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """A session up to where it came. ``error``: why there was none, in the words of RelayError.

    ``version``: of TLS, None in the clear. ``certificate`` is there also when it was not accepted. ``offers``: keywords
    of EHLO in capitals, with their parameters. ``refused_sender``: what it said to our envelope sender, if not 250.
    """

    label: str
    error: str = ""
    version: str | None = None
    certificate: Certificate | None = None
    offers: Mapping[str, str] = field(default_factory=dict)
    logged_in: bool = False
    sender: str = ""
    refused_sender: str = ""
    local: bool = False
    unverified: bool = False


def judge_relay(facts: RelayFacts, now: datetime) -> list[Finding]:
    """All that was found about one relay."""
    judge = Judge(Group.RELAY, facts.label)
    if facts.error:
        what, _, todo = facts.error.removeprefix(f"relay {facts.label}: ").partition("; ")
        shown = f" (it shows one {facts.certificate})" if facts.certificate else ""
        return [judge.error("relay.failed", what + shown, todo)]
    return [*_connection(judge, facts, now), *_offers(judge, facts), *_sender(judge, facts)]


def _connection(judge: Judge, facts: RelayFacts, now: datetime) -> Iterator[Finding]:
    how = facts.version.replace("v", " ") if facts.version else "in the clear"
    login = ", logged in" if facts.logged_in else ""
    yield judge.good("relay.connected", f"answers, {how}{login}")
    if facts.version is None and not facts.local:
        yield judge.warning(
            "relay.clear", "mail and passwords go there in the clear", 'set tls_type to "STARTTLS" or "TLS"'
        )
    if facts.unverified:
        yield judge.warning(
            "relay.unverified",
            "any certificate is accepted (tls_skip_verify): somebody in between can read along",
            "take tls_skip_verify out; an authority of your own goes into tls_ca_file",
        )
    if facts.certificate is not None:
        days = facts.certificate.days_left(now)
        yield judge.good("relay.certificate", f"its certificate is {facts.certificate} ({days} days)")
        yield from judge_end(judge, facts.certificate, now)


def _offers(judge: Judge, facts: RelayFacts) -> Iterator[Finding]:
    offered = [name for name in _WISHED if name in facts.offers]
    lacking = [name for name in _WISHED if name not in facts.offers]
    size = _size(facts.offers)
    said = [f"SIZE {size / _MEGABYTE:.0f} MB" if name == "SIZE" and size else name for name in offered]
    without = f"; not {', '.join(lacking)}" if lacking else ""
    yield judge.good("relay.offers", f"offers {', '.join(said) or 'nothing beyond plain SMTP'}{without}")
    if "PIPELINING" in lacking:
        yield judge.note(
            "relay.no_pipelining",
            "without PIPELINING each mail waits for four answers: sending is slower",
            "raise max_conns if the relay is far away",
        )
    if "SMTPUTF8" in lacking:
        yield judge.note(
            "relay.no_smtputf8", "readers with letters beyond ASCII before the @ cannot be written to through it"
        )
    if 0 < size < _SMALLEST_SIZE:
        yield judge.warning(
            "relay.size",
            f"it takes mails of at most {size // 1000} KB; digests may be larger",
            "let its operator raise the limit to a megabyte or more",
        )


def _size(offers: Mapping[str, str]) -> int:
    text = offers.get("SIZE", "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _sender(judge: Judge, facts: RelayFacts) -> Iterator[Finding]:
    if facts.refused_sender:
        yield judge.error(
            "relay.sender",
            f"it refuses mail from {facts.sender}: {facts.refused_sender}",
            "allow this sender there, or log in as who may use it",
        )
    elif facts.sender:
        yield judge.good("relay.sender", f"takes mail from {facts.sender}")
