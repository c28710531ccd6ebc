"""Reads one message that came back (email.md R27): complaint, report, letter, automatic answer, in this order.

What it names as its own (tokens, who was meant) is read in ``tokens.py``; what follows from it is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from syndicate.core.bounces.autoreplies import is_autoreply, read_autoreply, read_receipt
from syndicate.core.bounces.complaints import read_complaint
from syndicate.core.bounces.delivery_status import TYPES, read_status
from syndicate.core.bounces.letters import from_machine, read_letter, returned_header, sole_recipient, subject_of
from syndicate.core.bounces.mime import Headers, Message, normalised, take_apart, without_tags
from syndicate.core.bounces.notifications import read_notification
from syndicate.core.bounces.report import Action, Returned
from syndicate.core.bounces.tokens import Mentions, mentions

_INNER_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Report:
    """A message that was read: what it says, its own header, and that of the message it returns."""

    results: tuple[Returned, ...]
    headers: Headers
    returned: Headers
    mentions: Mentions
    unsubscribe: bool = False  # it is addressed to end a subscription, if its token is genuine


def read_report(data: bytes) -> Report:
    """What a message from the mailbox of bounces says; no results when it is none of these things. Never raises."""
    message = take_apart(data)
    returned = returned_header(message)
    results = _results(message, returned)
    wrapped = message
    for _ in range(_INNER_LIMIT):
        # A report that was forwarded as an attachment: the letter around it says nothing.
        inner = wrapped.first("message/rfc822")
        if inner is None or any(one.certain for one in results):
            break
        wrapped = take_apart(inner.content())
        if wrapped.first(*TYPES):
            returned = returned_header(wrapped)
            results = _results(wrapped, returned) or results
    found = mentions(message.headers, returned, normalised(data).decode("ascii", "replace"))
    asks = asks_to_unsubscribe(message)
    return Report(() if asks else tuple(_unique(results)), message.headers, returned, found, unsubscribe=asks)


def _results(message: Message, returned: Headers) -> list[Returned]:
    complaint = read_complaint(message, returned)
    if complaint is not None:
        return complaint
    letter = letter_of(message)
    reports = [part for part in message.parts if part.type in TYPES]
    if reports:
        results = [one for part in reports for one in read_status(part, letter=letter)]
        if results:
            return _named(results, returned)
    receipt = read_receipt(message)
    if receipt is not None:
        return receipt
    # Exim and others send failures as "auto-replied" too; readers' machines do not write as a mail server.
    if is_autoreply(message) and not ("x-failed-recipients" in message.headers or from_machine(message.headers)):
        return read_autoreply(message)
    notified = read_notification(letter)
    if notified:
        return notified
    results = _named(read_letter(message, letter, returned), returned)
    return results or (read_autoreply(message) if is_autoreply(message) else [])


def asks_to_unsubscribe(message: Message) -> bool:
    """Whether a reader, or a mail program for her, answers the ``mailto:`` of List-Unsubscribe.

    Apple's program sends it as "auto-replied". A mail server never asks: it returns what it was sent.
    """
    subject = subject_of(message.headers).strip().lower()
    return (
        subject.startswith("unsubscribe") and message.type != "multipart/report" and not from_machine(message.headers)
    )


def letter_of(message: Message) -> str:
    """The words for people: all text parts before the returned message; HTML only where there is no plain text."""
    plain: list[str] = []
    html: list[str] = []
    for part in message.parts:
        if part.type in {"message/rfc822", "text/rfc822-headers"} and (plain or html):
            break
        if part.type == "text/html":
            html.append(without_tags(part.text()))
        elif part.type.startswith("text/") and part.type != "text/rfc822-headers":
            plain.append(part.text())
    text = "\n\n".join(plain)
    return text if text.strip() else "\n\n".join(html)


def _named(results: list[Returned], returned: Headers) -> list[Returned]:
    if len(results) == 1 and results[0].recipient is None and (sole := sole_recipient(returned)):
        return [replace(results[0], recipient=sole)]
    return results


def _unique(results: list[Returned]) -> list[Returned]:
    """One result for a recipient: some servers send one group for each attempt."""
    worst: dict[str | None, Returned] = {}
    for one in results:
        key = one.recipient.lower() if one.recipient else None
        known = worst.get(key)
        if known is None or (known.action is Action.DELAYED and one.action is not Action.DELAYED):
            worst[key] = one
    return list(worst.values())
