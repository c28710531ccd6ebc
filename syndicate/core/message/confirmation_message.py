"""The mail that asks for confirmation of a subscription (double opt-in). It has no list headers.

It goes to an address whose owner has not consented yet, so it holds nothing that a stranger could type into the form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from syndicate.config.sections import Site
from syndicate.core.message.alternative import CRLF, alternative_body, mime_fields
from syndicate.core.message.headers import (
    Mailbox,
    date_value,
    field,
    mailbox_tokens,
    message_id_token,
    unstructured,
)
from syndicate.core.render.context import site_context
from syndicate.core.render.edition import one_line
from syndicate.core.render.inline import inline_styles
from syndicate.core.render.languages import direction
from syndicate.core.render.slots import check_nonce
from syndicate.core.render.templates import TemplateSet
from syndicate.core.render.text_part import finish_text

PAGE, TEXT = "mails/confirm.html", "mails/confirm.txt"
KINDS = ("confirm", "move", "moved")  # of a subscription, of a new address; tells an old one of its change
SUBJECT = "[mails/confirm] subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a confirmation mail says: aware times, ``zone`` as an IANA name, ``recipient`` as a bare address."""

    site: Site
    digest_title: str
    language: str
    zone: str
    sender: Mailbox
    recipient: str
    confirm_url: str
    valid_until: datetime
    date: datetime
    message_id: str
    reply_to: Mailbox | None = None
    kind: str = "confirm"
    moved_to: str = ""  # masked


def build_confirmation(templates: TemplateSet, mail: Confirmation, nonce: str) -> bytes:
    """The finished message, CRLF line ends. Raises TemplateError, HeaderError and AddressError."""
    check_nonce(nonce)
    render = templates.renderer(
        confirmation_context(templates, mail),
        language=mail.language,
        zone=ZoneInfo(mail.zone),
        extra={SUBJECT: "{{ words[kind ~ '_subject'] | put(digest=digest.title) }}"},
    )
    fields = [
        field("From", mailbox_tokens(mail.sender.name, mail.sender.address)),
        field("To", mailbox_tokens("", mail.recipient)),
        unstructured("Subject", one_line(render(SUBJECT), nonce)),
        field("Date", [date_value(mail.date)]),
        field("Message-ID", [message_id_token(mail.message_id)]),
    ]
    if mail.reply_to:
        fields.append(field("Reply-To", mailbox_tokens(mail.reply_to.name, mail.reply_to.address)))
    fields += [
        field("Auto-Submitted", ["auto-generated"]),
        field("X-Auto-Response-Suppress", ["OOF, AutoReply"]),
        *mime_fields(nonce),
    ]
    body = alternative_body(finish_text(render(TEXT), nonce), inline_styles(render(PAGE), PAGE), nonce)
    return ("".join(fields) + CRLF + body).encode()


def confirmation_context(templates: TemplateSet, mail: Confirmation) -> dict[str, Any]:
    """What the templates of the confirmation mail see."""
    return {
        "site": site_context(mail.site),
        "digest": {"title": mail.digest_title},
        "language": mail.language,
        "dir": direction(mail.language),
        "words": templates.words(mail.language, mail.site.language),
        "confirm_url": mail.confirm_url,
        "kind": mail.kind,
        "moved_to": mail.moved_to,
        "valid_until": mail.valid_until,
    }
