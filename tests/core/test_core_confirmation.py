from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from mail_samples import NONCE, SITE, TEMPLATES, body, parsed, shipped_templates, texts

from syndicate.core.message.confirmation_message import Confirmation, build_confirmation
from syndicate.core.message.headers import Mailbox
from syndicate.core.render.templates import TemplateSet
from syndicate.errors import HeaderError, TemplateError

GOLDEN = TEMPLATES.parent / "tests" / "golden" / "messages"
LINK = "https://news.courier.example/confirm/c1.AbCdEf?a=1&b=2"


def confirmation(**changed: Any) -> Confirmation:
    values: dict[str, Any] = {
        "site": SITE,
        "digest_title": "Morning Courier",
        "language": "en",
        "zone": "Europe/London",
        "sender": Mailbox("The Harbour Courier", "subscriptions@courier.example"),
        "recipient": "zoe@reader.example",
        "confirm_url": LINK,
        "valid_until": datetime(2026, 11, 25, 8, tzinfo=UTC),
        "date": datetime(2026, 11, 22, 8, tzinfo=UTC),
        "message_id": "confirm.abc@courier.example",
    }
    return Confirmation(**values | changed)


@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr", "he", "ja", "zh", "pt"])
def test_it_says_what_is_asked_and_where_to_answer(language: str) -> None:
    data = build_confirmation(shipped_templates(), confirmation(language=language), NONCE)
    assert data.isascii()
    found = parsed(data)
    assert found["To"] == "zoe@reader.example"
    assert found["Auto-Submitted"] == "auto-generated"
    assert "Morning Courier" in found["Subject"]
    text, page = body(found, "plain"), body(found, "html")
    assert LINK in text.split("\n")
    assert page.count(f'href="{LINK.replace("&", "&amp;")}"') == 1
    assert "The Harbour Courier" in text
    assert "{" not in text
    assert f'dir="{"rtl" if language in {"ar", "he"} else "ltr"}"' in page


@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr", "he", "ja", "zh"])
def test_an_old_address_is_told_where_mail_goes_now(language: str) -> None:
    mail = confirmation(language=language, kind="moved", moved_to="n***@example.net")
    found = parsed(build_confirmation(shipped_templates(), mail, NONCE))
    text = body(found, "plain")
    assert "n***@example.net" in text.replace("\n", " ")
    assert LINK in text.split("\n")
    assert "{" not in text
    assert found["Subject"] != parsed(build_confirmation(shipped_templates(), confirmation(), NONCE))["Subject"]


def test_it_is_no_list_mail_and_holds_nothing_of_the_reader() -> None:
    found = parsed(
        build_confirmation(shipped_templates(), confirmation(reply_to=Mailbox("", "desk@courier.example")), NONCE)
    )
    assert not [name for name in found if name.startswith("List-") or name in {"Precedence", "Feedback-ID"}]
    assert found["Reply-To"] == "desk@courier.example"
    assert "zoe" not in body(found, "plain") + body(found, "html")


def test_a_template_that_wants_the_name_is_refused() -> None:
    templates = TemplateSet(texts(mails__confirm_txt="\n{{ recipient.name }}"))
    with pytest.raises(TemplateError) as caught:
        build_confirmation(templates, confirmation(), NONCE)
    assert (caught.value.name, caught.value.line) == ("mails/confirm.txt", 2)


def test_a_title_with_a_line_break_makes_no_header() -> None:
    found = parsed(build_confirmation(shipped_templates(), confirmation(digest_title="A\r\nBcc: x@y.example"), NONCE))
    assert found["Bcc"] is None
    assert found["Subject"] == "Please confirm: A Bcc: x@y.example"
    with pytest.raises(HeaderError):
        build_confirmation(shipped_templates(), confirmation(message_id="a b"), NONCE)


def test_golden() -> None:
    data = build_confirmation(shipped_templates(), confirmation(language="de"), NONCE)
    path = GOLDEN / "confirmation.eml"
    if os.environ.get("SYNDICATE_GOLDEN") == "write":
        path.write_bytes(data)
    assert data.decode() == path.read_bytes().decode()
