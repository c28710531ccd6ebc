"""What a mail server's reply, or its silence, means for one delivery; and whose fault a refusal is.

Framing of replies lives in ``replies.py``, the time of the next attempt in ``retry.py``, the dialogue in ``io/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from syndicate.core.replies import enhanced_code, tidy
from syndicate.errors import RelayError
from syndicate.model import Outcome, OutcomeKind


class Stage(StrEnum):
    """Where in the dialogue of RFC 5321 a reply was due."""

    CONNECT = "connect"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    MESSAGE = "message"  # after the final dot: the answer that counts


class BounceClass(StrEnum):
    """Whose matter a refusal is, in the order of how much it says about the address."""

    HARD = "hard"  # the address does not exist or is closed
    SOFT = "soft"  # it may work another day: full, too large, route, unknown
    BLOCK = "block"  # our fault: policy, reputation, authentication, form; never held against a reader


CLOSING = 421  # RFC 5321 3.8: the server closes the connection

_ADVICE = {
    Stage.CONNECT: "it does not talk to us now; ask its operator whether this machine may send",
    Stage.EHLO: "it refuses our name or speaks no ESMTP; check hello_hostname",
    Stage.STARTTLS: "it cannot encrypt now; check tls_type",
    Stage.AUTH: "check username, password and auth_protocol",
}
_LOGIN_CODES = frozenset({530, 535, 538})  # RFC 4954 6, RFC 3207 4
_LOGIN_TEXT = re.compile(
    r"authentication (is )?required|not authenticated|(authenticate|auth|log ?in) first"
    r"|(must|please|need to) (first )?(authenticate|log ?in|issue a starttls)",
    re.IGNORECASE,
)


def goes_on(code: int, stage: Stage) -> bool:
    """Whether the reply lets the transaction go on to its next stage (RFC 5321 4.3.2)."""
    return 300 <= code < 400 if stage is Stage.DATA else 200 <= code < 300  # noqa: PLR2004 - reply codes


def outcome_of_reply(code: int, text: str, *, relay: str, stage: Stage) -> Outcome:
    """What a final answer, or a refusal on the way, means for the delivery.

    ``text`` may have several lines. 2xx after the data is accepted, 4xx deferred, 5xx rejected. A code that has no
    place at its stage defers, after the data it leaves the delivery in doubt. Raises RelayError for a refusal that
    concerns the relay as a whole: anything before MAIL, and a demand to log in or to encrypt first.
    """
    if stage is Stage.MESSAGE and code // 100 == 2:  # noqa: PLR2004 - nearly every reply there is
        return Outcome(OutcomeKind.ACCEPTED, code, enhanced_code(text), tidy(text), relay)
    if stage in _ADVICE:
        raise relay_refusal(code, text, relay=relay, stage=stage)
    enhanced, kept = enhanced_code(text), tidy(text)
    if stage is not Stage.MESSAGE and _wants_login(code, enhanced, kept):
        raise RelayError(
            f"relay {relay}: it answered {code} {kept} to {stage}; it wants a log-in or encryption first:"
            " set username, password and tls_type"
        )
    return Outcome(
        kind=_kind(code, stage),
        code=code,
        enhanced=enhanced,
        text=kept,
        relay=relay,
        about_relay=stage is Stage.MAIL,
    )


def relay_refusal(code: int, text: str, *, relay: str, stage: Stage) -> RelayError:
    """The error for a relay that refuses before the first message: what it said, to what, and what to look at."""
    return RelayError(f"relay {relay}: it answered {code} {tidy(text)} to {_said(stage)}; {_ADVICE[stage]}")


def outcome_of_break(cause: str, *, relay: str, stage: Stage) -> Outcome:
    """The connection ended, or no sensible answer came, at this stage: in doubt once the data is out."""
    kind = OutcomeKind.IN_DOUBT if stage is Stage.MESSAGE else OutcomeKind.DEFERRED
    return Outcome(kind=kind, text=tidy(f"no answer to {_said(stage)}: {cause}"), relay=relay)


def outcome_of_cut(cause: str, *, relay: str) -> Outcome:
    """The connection ended while the data went out: without the final dot nothing is taken (RFC 5321 4.1.1.4)."""
    return Outcome(kind=OutcomeKind.DEFERRED, text=tidy(f"the data could not be sent whole: {cause}"), relay=relay)


def not_sent(reason: str, *, enhanced: str, relay: str) -> Outcome:
    """Rejected by ourselves, before anything left: the relay could not have taken it. There is no reply code."""
    return Outcome(kind=OutcomeKind.REJECTED, enhanced=enhanced, text=tidy(f"not sent: {reason}"), relay=relay)


def _said(stage: Stage) -> str:
    return {Stage.CONNECT: "our connection", Stage.MESSAGE: "the whole message"}.get(stage, stage.value)


def _kind(code: int, stage: Stage) -> OutcomeKind:
    match code // 100:
        case 2 if stage is Stage.MESSAGE:
            return OutcomeKind.ACCEPTED
        case 4:
            return OutcomeKind.DEFERRED
        case 5:
            return OutcomeKind.REJECTED
        case _:
            return OutcomeKind.IN_DOUBT if stage is Stage.MESSAGE else OutcomeKind.DEFERRED


def _wants_login(code: int, enhanced: str | None, text: str) -> bool:
    if code in _LOGIN_CODES:
        return True
    vague = enhanced in {None, "5.7.0", "5.7.1", "5.7.8", "5.7.9"}
    return code // 100 == 5 and vague and _LOGIN_TEXT.search(text) is not None  # noqa: PLR2004 - 5xx


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table: all of what it names must match."""

    bounce_class: BounceClass
    enhanced: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    codes: frozenset[int] | None = None

    def matches(self, code: int | None, enhanced: str, text: str) -> bool:
        return (
            (self.enhanced is None or self.enhanced.fullmatch(enhanced) is not None)
            and (self.text is None or self.text.search(text) is not None)
            and (self.codes is None or code in self.codes)
        )


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_WHOM = r"(user|recipient|mailbox|account|address(ee)?|alias|local.?part)"
_GONE = (
    r"(unknown|not known|invalid|not valid|inactive|disabled|deactivated|suspended|closed|deleted|discontinued"
    r"|no longer|(does|do|did)(n'?t| not) exist|not (be )?(found|exist|listed|recogni[sz]ed))"
)
_NO_SUCH = _words(
    rf"\b(unknown|no such|no valid|invalid|bad|non-?existent) (local )?({_WHOM}|person|domain|host|destination)\b",
    rf"\b{_WHOM}\b.{{0,60}}?\b{_GONE}\b",
    r"\b(host|domain)( name)? (unknown|not found|does(n'?t| not) exist)\b",
    r"\bno mailbox\b|\bmailbox (is )?(unavailable|not available)\b",
    r"\bun(routeable|routable|deliverable) address\b|\bnot our customer\b|\bno longer (with|works|employed|on)\b",
    r"\b(does(n'?t| not)|do(n'?t| not)) have an? \S+ (e-?mail )?account\b|\bno (such|valid) recipients?\b",
    r"\b(address|recipient|user|mailbox)\b.{0,40}?\b(couldn'?t be|not be|wasn'?t|not) (found|recogni[sz]ed)\b",
    r"\binvalid (final delivery )?(userid|user ?name)\b|\bno mx( or srv)?( records?)? (was )?found\b",
    r"\bno smtp service\b|\bno longer in use\b",
    r"\bnot accept(ing)? (network )?messages\b|\bdomain is not reachable\b|\bnot in (the )?(name and )?address book\b",
    r"\bnull ?mx\b|\b(host|domain) does(n'?t| not) accept (any )?(e-?)?mail\b",
)
_OUR_FAULT = _words(
    r"(?<!anti)(?<!anti-)(?<!anti )\bspam(my|med|ming)?\b|\bunsolicited\b|\bphish|\bmalware\b|\bvirus\b|\bsuspicious\b",
    r"\b(block|black|deny)[ -]?list|\bblocked\b|\bbanned\b|\b(dns|r|x|ip)[ -]?bls?\b|\breputation\b|\bcomplaints?\b",
    r"\bspam(haus|cop|assassin)\b|\bsorbs\b|\buceprotect\b|\bbarracuda|\bgr[ea]y-?list",
    r"\b(dmarc|dkim|spf)\b|\bunauthenticated\b|\bauthentication (checks?|required|fail)|\bnot authenticated\b",
    r"\brelay(ing)?( access)? (is )?(denied|prohibited|not (permitted|allowed))\b",
    r"\b(unable|not (permitted|allowed)) to relay\b|\b(reverse dns|rdns|ptr)\b|\b(helo|ehlo)\b",
    r"\b(sender|from|return.?path|originator)\b.{0,60}?\b(reject|denied|refus|unknown|invalid|not (exist|found)|verif)",
    r"\bdomain of sender\b|\byour (ip|host|server|domain|account|mail ?server|network)\b|\brate limit|\bthrottl",
    r"\brecipient preferences\b|\bmy name was rejected\b",
    r"\b(daily|hourly|sending|outgoing|relay) (user )?(sending )?(quota|limit)|\bunusual rate\b",
)
_ANOTHER_DAY = _words(
    r"\b(mailbox|inbox|quota|storage|disk|folder|account|user)\b.{0,40}?\b(full|exceed\w*|over)\b|\bover ?quota\b",
    r"\b(insufficient|not enough|out of|no more)( system| disk| mail)* (storage|space|disk)|\bno space\b",
    r"\btoo (large|big)\b|\bexceed(s|ed)?\b.{0,40}?\b(size|limit|maximum)|\b(size|length) (limit )?exceed",
    r"\btemporar(y|ily)\b|\btry (again )?later\b|\breceiving (e-?mail|mail|messages) (too|at a)\b",
    r"\btoo many (hops|recipients)\b|\bname service error\b|\bname server reply\b|\bnot found, try again\b",
)
_POLICY = _words(
    r"\bpolic(y|ies)\b|\baccess denied\b|\badministrative|\bnot (allowed|permitted|authori[sz]ed|accepted)\b",
    r"\bprohibit|\bfilter|\bcontent\b|\bheaders?\b|\bsyntax\b|\bprotocol\b|\bcommand\b",
)
_HARD_CODE = re.compile(r"5\.1\.([01236]|10)|5\.2\.1|5\.4\.4")
_OUR_CODE = re.compile(r"5\.7\.\d+|5\.1\.[78]|5\.[56]\.\d+")
_VAGUE_CODE = re.compile(r"|5\.0\.0")

# The first row that matches decides. "5xx = hard" is wrong more often than right (of 432 public bounces that are not
# hard, 346 carry 5.x.x), and suppressing a reader for our own fault is the worst mistake: words about policy win over
# all but double evidence, and what says nothing is soft.
_RULES = (
    _Rule(BounceClass.HARD, enhanced=_HARD_CODE, text=_NO_SUCH),
    _Rule(BounceClass.BLOCK, text=_OUR_FAULT),
    _Rule(BounceClass.SOFT, enhanced=re.compile(r"4\..*")),
    _Rule(BounceClass.HARD, enhanced=re.compile(r"5\.4\.1"), text=_words("recipient address rejected: access denied")),
    _Rule(BounceClass.SOFT, text=_ANOTHER_DAY),
    _Rule(BounceClass.HARD, text=_NO_SUCH),
    _Rule(BounceClass.BLOCK, enhanced=_OUR_CODE),
    _Rule(BounceClass.HARD, enhanced=_HARD_CODE),
    _Rule(BounceClass.BLOCK, enhanced=_VAGUE_CODE, text=_POLICY),
    _Rule(BounceClass.HARD, enhanced=_VAGUE_CODE, codes=frozenset({556})),  # RFC 7504: the domain takes no mail
    _Rule(BounceClass.BLOCK, enhanced=_VAGUE_CODE, codes=frozenset({*range(500, 505), 530, 535, 538, 555})),
)


def classify_reply(code: int | None, enhanced: str | None, text: str) -> BounceClass:
    """Whose matter a refusal is, from enhanced code, words and reply code, in this order (RFC 3463, RFC 5248).

    A temporary refusal (4xx) is soft, or block where its words say that it is about us; what says nothing is soft.
    """
    temporary = code is not None and code // 100 == 4  # noqa: PLR2004 - 4xx
    seen = "4.0.0" if temporary else enhanced or ""
    for rule in _RULES:
        if rule.matches(code, seen, text):
            return rule.bounce_class
    return BounceClass.SOFT
