"""A refusal as it is told in a report or a letter: its code, its enhanced code, whose matter it is.

What a refusal means is decided in ``core.outcomes`` for replies and reports alike; here it is freed of what stands
around it: addresses, hosts, the command that was answered.
"""

from __future__ import annotations

import re
from typing import Final

from syndicate.core.bounces.languages import in_english
from syndicate.core.bounces.report import Action, ReturnClass, Returned
from syndicate.core.outcomes import classify_reply
from syndicate.core.reasons import without_addresses
from syndicate.core.replies import tidy

#: So much of a reason is judged, in characters.
_JUDGED: Final = 1200

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
# A code where a reply begins; then one beside an enhanced code; then any.
_CODES: Final = (
    re.compile(
        r"(?:^|\b(?:said|smtp|response|replied|answered|error|code|reason|reply|status|returned|was|got)\b|<<<)"
        r"[\s:;#'\"(<\[]*([245][0-5]\d)(?=[\s\-:;)\]>,]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\d.])([245][0-5]\d)[\s\-#(]+[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)"),
    re.compile(r"(?<![\w.:/\-])([45][0-5]\d)(?=[\s\-])"),
)
# What stands around a reply and would be taken for its words.
_AROUND = re.compile(
    r"\bhost \S+(?: ?\[[^\]]*\])? (?:said|refused to talk to me):?"
    r"|\((?:delivery temporarily suspended:|in reply to)[^)]{0,80}\)"
    r"|\bwhile talking to \S+|>>> ?(?:RCPT|MAIL|DATA)[^<\n]{0,10}(?:…|<[^>]*>)?|\bin reply to [A-Z ]+ command"
    r"|\bSMTP error from remote (?:mail ?)?server(?: after [^:]{1,60})?:|\bremote host said:|\bsmtp;|\bX-\w+;"
    r"|\b\d\.\d\.\d - [A-Z][\w ]{4,40}(?=[245]\d\d-?')|\bmessage-id:? ?<?\S*",
    re.IGNORECASE,
)
# Who refuses the sender says nothing of the reader, however it reads.
_ABOUT_SENDER = re.compile(r"\b(?:after|in reply to) (?:end of )?MAIL FROM\b", re.IGNORECASE)
# A program at the mailbox failed; that it found no user says how it was called.
_LOCAL_TROUBLE = re.compile(r"\b(?:procmail|maildrop|vacation): (?:couldn't|cannot|unable)\b", re.IGNORECASE)
_SAYS_NOTHING: Final = frozenset({None, "5.0.0", "4.0.0", "5.5.0", "5.3.0", "5.1.0"})


def refusal(
    recipient: str | None,
    text: str,
    *,
    status: str | None = None,
    action: Action = Action.FAILED,
    certain: bool = True,
    beside: str = "",
) -> Returned:
    """What a refusal in these words, under this status, says of a recipient.

    ``beside``: a letter's passage about her, which may tell to which command it was the answer.
    """
    words = " ".join(text.split())[: 2 * _JUDGED]
    code = reply_code(words)
    said = enhanced_in(words)
    # What the server itself said is more exact than the status that a gateway made of it.
    enhanced = said if said and (said not in _SAYS_NOTHING or status in _SAYS_NOTHING) else status
    temporary = status is not None and status.startswith("4") and (code is None or code // 100 == 4)  # noqa: PLR2004 - 4xx
    if temporary and enhanced and enhanced.startswith("5"):
        enhanced = status
    judged = _AROUND.sub(" ", without_addresses(words) or "")[:_JUDGED]
    bounce_class = classify_reply(code, enhanced, in_english(judged))
    cls = ReturnClass.of(bounce_class)
    if cls is ReturnClass.HARD and _ABOUT_SENDER.search(f"{words} {' '.join(beside.split())}"):
        cls = ReturnClass.BLOCK
    if cls is ReturnClass.HARD and (action is Action.DELAYED or _LOCAL_TROUBLE.search(words)):
        cls = ReturnClass.SOFT
    return Returned(
        recipient=recipient,
        cls=cls,
        action=action,
        status=enhanced,
        code=code,
        text=tidy(words),
        certain=certain or enhanced not in _SAYS_NOTHING,
    )


def reply_code(words: str) -> int | None:
    """The code of the first reply (RFC 5321 4.2) in a text, or None."""
    for pattern in _CODES:
        match = pattern.search(words)
        if match and match[1][0] != "2":
            return int(match[1])
    return None


def enhanced_in(words: str) -> str | None:
    """The first enhanced code (RFC 3463) of a failure in a text; one that says something before one that does not."""
    found = [match[1] for match in _ENHANCED.finditer(words) if match[1][0] != "2"]
    return next((one for one in found if one not in _SAYS_NOTHING), found[0] if found else None)
