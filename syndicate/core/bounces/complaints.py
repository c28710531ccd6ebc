"""Complaints of readers, as mailbox providers report them: ARF (RFC 5965, 6590, 6591) and Microsoft's older form."""

from __future__ import annotations

import re
from typing import Final

from syndicate.core.bounces.addresses import first_address, reported_address
from syndicate.core.bounces.mime import Headers, Message, read_fields
from syndicate.core.bounces.report import ReturnClass, Returned

TYPE: Final = "message/feedback-report"
_OURS: Final = frozenset({"auth-failure", "virus"})  # about the sender, not about what the reader wants
_RECIPIENT: Final = ("original-rcpt-to", "removal-recipient", "x-original-recipient")
_HOTMAIL = "x-hmxmroriginalrecipient"
_SUBJECT = re.compile(r"^complaint about message from \d", re.IGNORECASE)


def read_complaint(message: Message, returned: Headers) -> list[Returned] | None:
    """What a feedback report says; None when the message is none. The recipient is often redacted (RFC 6590)."""
    report = message.first(TYPE)
    if report is None:
        recipient = first_address(returned.get(_HOTMAIL)) or first_address(message.headers.get(_HOTMAIL))
        if recipient is None and not _SUBJECT.match(message.headers.get("subject")):
            return None
        return [Returned(recipient=recipient, cls=ReturnClass.COMPLAINT, text="complaint")]
    fields = Headers(read_fields(report.content().replace(b"\n\n", b"\n")))
    kind = fields.get("feedback-type").partition(";")[0].strip().lower() or "abuse"
    recipients = [address for value in fields.all(*_RECIPIENT) if (address := reported_address(value))]
    if not recipients:
        redacted = first_address(returned.get("x-original-to")) or first_address(returned.get("to"))
        recipients = [redacted] if redacted else []
    if kind == "not-spam":
        return []
    cls = ReturnClass.BLOCK if kind in _OURS else ReturnClass.COMPLAINT
    unique = dict.fromkeys(recipients)
    return [
        Returned(recipient=recipient, cls=cls, text=f"feedback report: {kind}"[:500]) for recipient in unique or (None,)
    ]
