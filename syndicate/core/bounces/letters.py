"""Letters of mail servers that send no report for machines: whom they speak of, what they quote, in which words.

The dialects are those of qmail, Exim, Sendmail, Exchange, Domino and their kin: an address at the head of a passage,
the refusal in it, and a copy of our message under a line that says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from syndicate.core.bounces.addresses import addresses_in, first_address, tidy_address
from syndicate.core.bounces.delivery_status import about, read_groups
from syndicate.core.bounces.languages import plain
from syndicate.core.bounces.letter_words import COPY, DELAY, HEAD, INLINE, MACHINE, OPENING, RCPT, SUBJECT, SYSTEM
from syndicate.core.bounces.mime import Headers, Message, split_header, words_decoded
from syndicate.core.bounces.refusals import enhanced_in, refusal, reply_code
from syndicate.core.bounces.report import Action, Returned

_SENDERS: Final = ("from", "sender", "return-path", "reply-to", "errors-to", "x-sender")
_BOUNCED_TO: Final = ("to", "delivered-to", "x-original-to", "envelope-to", "from", "return-path")
_MOST: Final = 20


def read_letter(message: Message, letter: str, returned: Headers) -> list[Returned]:
    """What a letter of a mail server says; nothing when it does not look like one."""
    failed = [address for value in message.headers.all("x-failed-recipients") for address in addresses_in(value)]
    notice, copy = without_copy(letter)
    if not failed and not _is_notice(message.headers, notice):
        return []
    if INLINE.search(notice) and (found := _inline(notice)):
        return found
    if not returned.fields and copy:
        returned = split_header(copy.lstrip("\n").encode("utf-8", "replace"))[0]
    delayed = DELAY.search(plain(subject_of(message.headers))) or DELAY.search(plain(notice[:4000]))
    action = Action.DELAYED if delayed and not failed else Action.FAILED
    recipients = failed or _recipients(message.headers, notice, returned)
    told = [refusal(one, _reason(notice, one), action=action, certain=False) for one in recipients[:_MOST]]
    if told:
        return told
    reason = _quoted(notice)
    # Nobody is named: worth something only when a token says who it is.
    return [refusal(None, reason, action=action, certain=False)] if reason else []


def without_copy(letter: str) -> tuple[str, str]:
    """A letter's own words, and the copy of our message under them."""
    for match in COPY.finditer(letter):
        if letter[: match.start()].strip():
            line_itself = match[0].lstrip(" \t>").lower().startswith(("return-path:", "received:"))
            return letter[: match.start()], letter[match.start() if line_itself else match.end() :]
    return letter, ""


def returned_header(message: Message) -> Headers:
    """The header of the message that is returned, as far as it came along."""
    part = message.first(
        "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822"
    )
    if part is None:
        part = message.first("message/partial", "message/rfc822-headers")
    return split_header(part.content().lstrip(b"\n \t"))[0] if part is not None else Headers()


def subject_of(headers: Headers) -> str:
    """The subject as people read it."""
    return words_decoded(headers.get("subject"))[:500]


def _is_notice(headers: Headers, notice: str) -> bool:
    subject = SUBJECT.search(plain(subject_of(headers))) is not None
    opening = OPENING.search(plain(notice[:4000])) is not None
    if from_machine(headers):
        return subject or opening or reply_code(notice[:4000]) is not None
    # People write about failures too; what has no sender to answer to was written by a machine.
    return (subject or opening) if headers.get("return-path").strip() == "<>" else (subject and opening)


def _inline(notice: str) -> list[Returned]:
    first = INLINE.search(notice)
    if first is None:
        return []
    start = notice.rfind("\n\n", 0, first.start()) + 1
    lines = [line.lstrip() if ":" in line else line for line in notice[start:].split("\n")]
    groups = "\n".join(lines).encode("utf-8", "replace")
    return [one for one in read_groups(groups, letter=notice[:start]) if one.recipient]


def _recipients(headers: Headers, notice: str, returned: Headers) -> list[str]:
    to = {one.lower(): one for value in returned.all("to", "cc", "x-original-to") for one in addresses_in(value, 50)}
    senders = {one.lower() for name in _SENDERS for value in returned.all(name) for one in addresses_in(value, 5)}
    senders |= {one.lower() for name in _BOUNCED_TO for value in headers.all(name) for one in addresses_in(value, 5)}
    named = _unique(tidy_address(match[1]) for match in RCPT.finditer(notice))
    heads = _unique(tidy_address(match[1]) for match in HEAD.finditer(notice))
    for found in (named, heads, addresses_in(notice, 50)):
        if any(one.lower() in to for one in found):
            # Sendmail and Exchange list all who failed, also those whom the header did not name.
            others = {one for one in heads if one.lower() not in senders and not SYSTEM.match(one)}
            return [one for one in found if one.lower() in to or (found is heads and one in others)]
    for found in (named, heads, addresses_in(notice, 50)):
        wanted = [
            one for one in found if one.lower() not in senders and not SYSTEM.match(one) and not _is_id(one, notice)
        ]
        if wanted:
            return wanted
    alone = [one for one in to.values() if one.lower() not in senders]
    # We may write to ourselves: then the head of a passage is the reader all the same.
    return alone[:1] or [one for one in (*named, *heads, *addresses_in(notice, 3)) if not SYSTEM.match(one)][:1]


def _is_id(address: str, notice: str) -> bool:
    at = notice.find(address)
    return at >= 0 and "message-id" in notice[max(0, at - 30) : at].lower()


def _reason(notice: str, recipient: str) -> str:
    passage = about(notice, recipient)
    if reply_code(passage) is not None or enhanced_in(passage) is not None:
        return passage
    quoted = _quoted(notice)
    return f"{passage} {quoted}".strip() or notice[:600]


def _quoted(notice: str) -> str:
    """The lines of a letter that quote a reply, or its first words."""
    lines = notice.split("\n")
    for at, line in enumerate(lines):
        if len(line) < 1000 and (reply_code(line) is not None or enhanced_in(line) is not None):  # noqa: PLR2004 - no line of a letter
            return " ".join(lines[at : at + 4])
    return notice.strip()[:600]


def _unique(found: Iterable[str]) -> list[str]:
    kept: dict[str, str] = {}
    for one in found:
        kept.setdefault(one.lower(), one)
    return list(kept.values())


def from_machine(headers: Headers) -> bool:
    """Whether it was sent in the name of a mail server."""
    return MACHINE.match(words_decoded(headers.get("from"))) is not None


def sole_recipient(returned: Headers) -> str | None:
    """The reader of the returned message: ours have exactly one."""
    found = [one for value in returned.all("to") for one in addresses_in(value, 5)]
    return found[0] if len(found) == 1 else first_address(returned.get("x-original-to"))
