"""Delivery reports made for machines: message/delivery-status (RFC 3464) and its form for all scripts (RFC 6533)."""

from __future__ import annotations

import re
from typing import Final

from syndicate.core.bounces.addresses import ADDRESS, reported_address
from syndicate.core.bounces.mime import Headers, Part, decoded, read_fields
from syndicate.core.bounces.refusals import enhanced_in, refusal, reply_code
from syndicate.core.bounces.report import Action, ReturnClass, Returned

TYPES: Final = ("message/delivery-status", "message/global-delivery-status")
#: One report about more recipients than this is no report on our mail: each message has one.
RECIPIENTS_LIMIT: Final = 100

_MENTIONS_LIMIT: Final = 10  # of one recipient in a letter

_BLANK = re.compile(rb"\n[ \t]*\n")
_RECIPIENT: Final = ("original-recipient", "final-recipient", "x-actual-recipient")
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_ACTIONS: Final = {action.value: action for action in Action} | {
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "failed/delayed": Action.DELAYED,
    "deliverable": Action.DELIVERED,
    "deferred": Action.DELAYED,
    "expired": Action.FAILED,
    "error": Action.FAILED,
}
_ANOTHER = re.compile(rf"\n[ \t]*(?:[45]\d\d )?[<\"']?{ADDRESS.pattern}")  # the next recipient of a letter
_TYPE_OF_DIAGNOSTIC = re.compile(r"\s*(?:smtp|lmtp|x-[\w-]+|rfc822|dns|expired)\s*;\s*", re.IGNORECASE)


def read_status(part: Part, *, letter: str = "") -> list[Returned]:
    """What a report says of each recipient; ``letter`` is the text for people beside it, asked where it is vague."""
    octets = part.content()
    charset = "utf-8" if part.type == TYPES[1] else ""
    return read_groups(octets, charset=charset, letter=letter)


def read_groups(octets: bytes, *, charset: str = "", letter: str = "") -> list[Returned]:
    """The same from the bare fields, which some servers write into a letter."""
    found: list[Returned] = []
    for group in _groups(octets, charset):
        returned = _recipient(group, letter)
        if returned is not None:
            found.append(returned)
        if len(found) == RECIPIENTS_LIMIT:
            break
    return found


def _groups(octets: bytes, charset: str) -> list[Headers]:
    groups: list[Headers] = []
    for block in _BLANK.split(decoded(octets, charset).encode("utf-8", "replace")):
        current: list[tuple[str, str]] = []
        for name, value in read_fields(block.strip(b"\n")):
            # Some servers forget the empty line between two recipients.
            if name == "final-recipient" and any(key == name for key, _ in current):
                groups.append(Headers(tuple(current)))
                current = []
            current.append((name, value))
        if current:
            groups.append(Headers(tuple(current)))
    return groups


def _recipient(group: Headers, letter: str) -> Returned | None:
    if not any(name in group for name in (*_RECIPIENT, "action", "status")):
        return None
    # The address that we wrote to comes first: the final one may be where the reader's mail is forwarded to.
    recipient = next(filter(None, (reported_address(group.get(name)) for name in _RECIPIENT)), None)
    said = _STATUS.search(group.get("status"))
    status = said[1] if said else None
    action = _action(group.get("action"), status)
    if action is None:
        return None
    diagnostic = _TYPE_OF_DIAGNOSTIC.sub("", group.get("diagnostic-code"), count=1)
    if action in {Action.DELIVERED, Action.RELAYED, Action.EXPANDED}:
        return Returned(
            recipient=recipient, cls=ReturnClass.DELIVERED, action=action, status=status, text=diagnostic[:500]
        )
    beside = about(letter, recipient)
    if reply_code(diagnostic) is None and enhanced_in(diagnostic) is None:
        # Nothing was quoted, or only what the reporting server thinks: the letter may quote the one that refused.
        diagnostic = f"{diagnostic} {beside or letter[-600:]}".strip()
    return refusal(recipient, diagnostic, status=status, action=action, beside=beside)


def _action(value: str, status: str | None) -> Action | None:
    word = value.strip().lower().partition(" ")[0].strip("()")
    if word in _ACTIONS:
        return _ACTIONS[word]
    if status is None:
        return None
    return Action.DELIVERED if status.startswith("2") else Action.FAILED


def about(letter: str, recipient: str | None) -> str:
    """The passage of a letter that speaks of a recipient: from the last line that names it to the next empty one."""
    if not recipient or not letter:
        return ""
    lowered = letter.lower()
    best = ""
    at = lowered.find(recipient.lower())
    for _ in range(_MENTIONS_LIMIT):
        if at < 0:
            break
        end = letter.find("\n\n", at)
        passage = letter[at + len(recipient) : end if end >= 0 else at + 600][:600]
        before = letter[letter.rfind("\n", 0, at) + 1 : at]
        if passage.lstrip(">").startswith("..."):  # Sendmail's transcript: one line for one recipient
            passage = passage.partition("\n")[0]
            if reply_code(before) is not None:
                return before + passage
        another = _ANOTHER.search(passage)
        if another:
            passage = passage[: another.start()]
        if reply_code(passage) is not None or enhanced_in(passage) is not None:
            return passage.lstrip(">: \n")
        best = best or passage.lstrip(">: \n")
        at = lowered.find(recipient.lower(), at + len(recipient))
    return best
