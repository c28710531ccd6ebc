"""From a provider's JSON to what it says: SES, Postmark, Mailgun, SendGrid, Brevo, and one of our own for others.

What they call "hard" is not believed where they quote the server: its words are judged as everywhere else. What says
that a message arrived, was opened or clicked is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from syndicate.core.bounces.report import ReturnClass, Returned
from syndicate.core.hooks.told import Told, address, complaint, failure, leaving, objects, part, read_json, text

HARD, SOFT, BLOCK = ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.BLOCK


def ses(document: Any) -> list[Told]:
    """The ``Message`` of a notification of SNS: event publishing, or the older feedback notifications."""
    inner = part(read_json(text(document, "Message").encode("utf-8", "replace")))
    kind = text(inner, "eventType") or text(inner, "notificationType")
    mail = part(inner, "mail")
    listed = [f"<{text(one, 'value')}>" for one in objects(mail.get("headers")) if _is_id(one)]
    names = (text(mail, "source"), text(mail, "commonHeaders", "messageId"), *listed)
    if kind == "Bounce":
        bounce = part(inner, "bounce")
        cls = {"Permanent": HARD, "Transient": SOFT}.get(text(bounce, "bounceType"), SOFT)
        return [
            Told(said=_of_ses(one, cls, text(bounce, "bounceSubType")), names=names)
            for one in objects(bounce.get("bouncedRecipients"))
        ]
    if kind == "Complaint":
        complainers = objects(part(inner, "complaint").get("complainedRecipients"))
        return [Told(said=complaint(address(one, "emailAddress")), names=names) for one in complainers or [{}]]
    if kind == "DeliveryDelay":
        delayed = objects(part(inner, "deliveryDelay").get("delayedRecipients"))
        return [Told(said=_of_ses(one, SOFT, "", delayed=True), names=names) for one in delayed]
    return []


def _is_id(header: Mapping[str, Any]) -> bool:
    return text(header, "name").lower() == "message-id"


def _of_ses(one: Mapping[str, Any], cls: ReturnClass, kind: str, *, delayed: bool = False) -> Returned:
    recipient, words = address(one, "emailAddress"), text(one, "diagnosticCode")
    if kind in {"ContentRejected", "AttachmentRejected"}:
        cls = BLOCK
    if not words:  # its codes alone are "5.1.1" for all that is permanent, also for what it never tried
        return Returned(recipient=recipient, cls=cls, text=f"SES: {kind}"[:500])
    return failure(recipient, words, cls=cls, status=text(one, "status") or None, delayed=delayed)


_POSTMARK: Final = {
    "HardBounce": HARD,
    "BadEmailAddress": HARD,
    "ManuallyDeactivated": SOFT,
    "SpamNotification": BLOCK,
    "Blocked": BLOCK,
    "DMARCPolicy": BLOCK,
    "SMTPApiError": BLOCK,
    "TemplateRenderingFailed": BLOCK,
}
_NO_BOUNCE: Final = frozenset({"AutoResponder", "AddressChange", "OpenRelayTest", "ChallengeVerification", "Subscribe"})


def postmark(document: Any) -> list[Told]:
    """Bounce, SpamComplaint and SubscriptionChange webhooks."""
    found = []
    for one in objects(document):
        recipient = address(one, "Email") or address(one, "Recipient")
        headers = one.get("Headers")
        names = (text(one, "Content")[:20_000], *(text(each, "Value") for each in objects(headers)))
        kind, sort = text(one, "RecordType"), text(one, "Type")
        if kind == "SpamComplaint" or (kind == "Bounce" and sort == "SpamComplaint"):
            found.append(Told(said=complaint(recipient), names=names))
        elif (kind == "Bounce" and sort == "Unsubscribe") or (
            kind == "SubscriptionChange"
            and one.get("SuppressSending") is True
            and text(one, "SuppressionReason") == "ManualSuppression"
            and text(one, "Origin") == "Recipient"
        ):
            found.append(leaving(recipient, names))
        elif kind == "Bounce" and sort not in _NO_BOUNCE:
            cls = _POSTMARK.get(sort, SOFT)
            words = f"{text(one, 'Details')} {text(one, 'Description')}".strip()
            if cls is BLOCK:
                said = Returned(recipient=recipient, cls=BLOCK, text=words[:500])
            else:
                said = failure(recipient, words, cls=cls, delayed=sort == "Transient")
            found.append(Told(said=said, names=names))
    return found


def mailgun(document: Any) -> list[Told]:
    """Events ``failed``, ``complained``, ``unsubscribed`` of its webhooks."""
    event = document.get("event-data") if isinstance(document, Mapping) else None
    recipient = address(event, "recipient")
    names = (f"<{text(event, 'message', 'headers', 'message-id')}>", text(event, "envelope", "sender"))
    match text(event, "event"):
        case "complained":
            return [Told(said=complaint(recipient), names=names)]
        case "unsubscribed":
            return [leaving(recipient, names)]
        case "failed":
            return [Told(said=_of_mailgun(event, recipient), names=names)]
    return []


def _of_mailgun(event: Any, recipient: str | None) -> Returned:
    final = text(event, "severity") != "temporary"
    cls = HARD if final and text(event, "reason") in {"bounce", "suppress-bounce"} else SOFT
    if text(event, "reason") in {"suppress-complaint", "suppress-unsubscribe"}:
        return Returned(recipient=recipient, cls=BLOCK, text="Mailgun has this address on a list of its own")
    status = "delivery-status"
    code = text(event, status, "code")
    enhanced = text(event, status, "enhanced-code")
    said = text(event, status, "message") or text(event, status, "description")
    # Its own codes (605: not sent to an address that bounced before) are those of no server.
    quoted = code if code.startswith(("4", "5")) else ""
    return failure(recipient, f"{quoted} {enhanced} {said}".strip(), cls=cls, delayed=not final)


def sendgrid(document: Any) -> list[Told]:
    """Events of the signed event webhook."""
    found = []
    for one in objects(document):
        recipient, kind = address(one, "email"), text(one, "event")
        names = (text(one, "smtp-id"),)
        words = f"{text(one, 'status')} {text(one, 'reason') or text(one, 'response')}".strip()
        if kind == "spamreport":
            found.append(Told(said=complaint(recipient), names=names))
        elif kind in {"unsubscribe", "group_unsubscribe"}:
            found.append(leaving(recipient, names))
        elif kind == "bounce":
            cls = BLOCK if text(one, "type") == "blocked" else HARD
            found.append(Told(said=failure(recipient, words, cls=cls), names=names))
        elif kind == "deferred":
            found.append(Told(said=failure(recipient, words, cls=SOFT, delayed=True), names=names))
        elif kind == "dropped":
            cls = HARD if "bounced" in words.lower() or "invalid" in words.lower() else BLOCK
            found.append(Told(said=Returned(recipient=recipient, cls=cls, text=words[:500]), names=names))
    return found


_BREVO: Final = {
    "hard_bounce": HARD,
    "hardBounce": HARD,
    "invalid_email": HARD,
    "invalid": HARD,
    "soft_bounce": SOFT,
    "softBounce": SOFT,
    "deferred": SOFT,
    "error": SOFT,
    "blocked": BLOCK,
}


def brevo(document: Any) -> list[Told]:
    """Events of its transactional webhooks."""
    found = []
    for one in objects(document):
        recipient, kind = address(one, "email"), text(one, "event")
        names = (text(one, "message-id"),)
        if kind in {"spam", "complaint"}:
            found.append(Told(said=complaint(recipient), names=names))
        elif kind in {"unsubscribed", "unsubscribe"}:
            found.append(leaving(recipient, names))
        elif kind in _BREVO:
            words = text(one, "reason")
            found.append(
                Told(said=failure(recipient, words, cls=_BREVO[kind], delayed=kind == "deferred"), names=names)
            )
    return found


def generic(document: Any) -> list[Told]:
    """Our own form: ``{"events": [{"type", "recipient", "message_id", "return_path", "status", "text"}]}``.

    ``type``: bounce (judged by ``status`` and ``text``), hard, soft, block, complaint, unsubscribe.
    """
    events = document.get("events", document) if isinstance(document, Mapping) else document
    found = []
    for one in objects(events):
        recipient, kind = address(one, "recipient") or address(one, "email"), text(one, "type")
        names = (text(one, "message_id"), text(one, "return_path"))
        words = f"{text(one, 'status')} {text(one, 'text')}".strip()
        if kind == "complaint":
            found.append(Told(said=complaint(recipient, text(one, "text") or "complaint"), names=names))
        elif kind == "unsubscribe":
            found.append(leaving(recipient, names))
        elif kind == "bounce":
            found.append(Told(said=failure(recipient, words, cls=SOFT), names=names))
        elif kind in {"hard", "soft", "block"}:
            found.append(Told(said=failure(recipient, words, cls=ReturnClass(kind)), names=names))
    return found


#: What reads a genuine call, by provider.
READERS: Final[Mapping[str, Callable[[Any], list[Told]]]] = {
    "ses": ses,
    "postmark": postmark,
    "mailgun": mailgun,
    "sendgrid": sendgrid,
    "brevo": brevo,
    "generic": generic,
}
