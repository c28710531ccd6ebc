"""Digest messages as readers' programs get them: parsed again, everything must be what was rendered and filled in."""

from __future__ import annotations

import email.header
import html
import os
import re
from pathlib import Path
from typing import Any

import pytest
from feed_articles import CLEAN, articles
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import (
    NONCE,
    SITE,
    VALUES,
    body,
    edition,
    headers,
    message,
    parsed,
    plain,
    rendered,
    sample_articles,
    shipped_templates,
)

from syndicate.config.sections import Digest
from syndicate.core.message.digest_message import build_message, feedback_id
from syndicate.core.message.headers import Mailbox
from syndicate.core.message.template import MessageTemplate
from syndicate.core.render.edition import RenderedEdition, render_edition
from syndicate.core.render.slots import fill_markers, marker
from syndicate.errors import AddressError, HeaderError, StoreError
from syndicate.model import Article

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=120)
BODY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NAME = marker("recipient.name", NONCE, "frïend")
LEAVE = marker("unsubscribe_url", NONCE)


def check_wire(data: bytes) -> None:
    """What must hold of every message on the wire (RFC 5322 2.1.1, RFC 2045 2.8 and 6.7)."""
    assert data.isascii()
    assert data.endswith(b"\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert NONCE.encode() not in data.replace(f"=_{NONCE}".encode(), b"")
    head, _, rest = data.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert all(len(line) <= 76 for line in rest.split(b"\r\n"))
    assert all(not line.startswith((b".", b"From ")) for line in rest.split(b"\r\n"))
    assert b"\r\n." not in data, "it need not be dot-stuffed: Envelope.ready promises that"


def subject_of(found: object) -> str:
    return str(email.header.make_header(email.header.decode_header(str(found).replace("\r\n", ""))))


def check_message(edition_texts: RenderedEdition, values: dict[str, str]) -> None:
    data = message(edition_texts, values)
    check_wire(data)
    found = parsed(data)
    assert found.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert body(found, "plain") == fill_markers(edition_texts.text, NONCE, values).replace("\r\n", "\n")
    assert body(found, "html") == fill_markers(edition_texts.html, NONCE, values, html.escape).replace("\r\n", "\n")
    raw = re.search(rb"Subject: (.*?)\r\n(?! )", data, re.DOTALL)
    assert raw is not None
    assert subject_of(raw[1].decode()) == fill_markers(edition_texts.subject, NONCE, values)
    assert [address.addr_spec for address in found["To"].addresses] == [values["recipient.email"]]
    assert found["Message-ID"] == f"<{values['message_id']}>"


@given(LINE, BODY, BODY, LINE, BODY)
def test_whatever_the_texts_are_they_come_back(subject: str, text: str, page: str, name: str, rest: str) -> None:
    text, page = text.replace("\r", ""), page.replace("\r", "")
    texts = plain(
        subject=f"{subject}{NAME}",
        text=f"{text}{NAME}{rest}{LEAVE}".replace("\r", "") + "\n",
        html=f"{page}{NAME}<a href='{LEAVE}'>{rest}</a>".replace("\r", "") + "\n",
    )
    check_message(texts, VALUES | {"recipient.name": name})


@given(articles(CLEAN, most=4), LINE, st.sampled_from(["en", "ar", "he", "ja", "zh", "de-CH"]))
@settings(max_examples=25)
def test_any_articles_make_a_message(found: list[Article], name: str, language: str) -> None:
    if not found:
        return
    texts = rendered(
        articles=tuple(found),
        headlines=tuple(found[:2]),
        language=language,
        words=shipped_templates().words(language, "en"),
        digest=Digest(subject="{{ recipient.name }}: {{ top.title }}"),
    )
    check_message(texts, VALUES | {"recipient.name": name})


@given(st.text())
def test_a_hostile_name_cannot_make_a_header(name: str) -> None:
    try:
        data = message(plain(), VALUES | {"recipient.name": name})
    except HeaderError:
        assert re.search(r"[\x00-\x1f\x7f]", name)
        return
    found = parsed(data)
    assert found.keys() == parsed(message(plain())).keys()
    assert len(found["To"].addresses) == 1


@pytest.mark.parametrize(
    ("slot", "value", "error"),
    [
        ("recipient.name", "Zoe\r\nBcc: all@reader.example", HeaderError),
        ("recipient.email", "zoe@reader.example\r\nBcc: x@y.example", AddressError),
        ("recipient.email", "zoe@reader.example, eve@reader.example", AddressError),
        ("recipient.email", "", AddressError),
        ("unsubscribe_url", "https://courier.example/>, <https://evil.example/", HeaderError),
        ("unsubscribe_mailto", "mailto:a@b.example\r\nX: y", HeaderError),
        ("message_id", "a@b>\r\nX: <y", HeaderError),
    ],
)
def test_values_that_cannot_stand_in_a_header_are_refused(slot: str, value: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        message(plain(), VALUES | {slot: value})


def test_values_are_escaped_in_html_and_not_in_text() -> None:
    texts = plain(html=f'<p title="{NAME}">{NAME}</p>\n', text=f"{NAME}\n")
    found = parsed(message(texts, VALUES | {"recipient.name": "<b>\"Zoë\" & 'Co'</b>"}))
    escaped = "&lt;b&gt;&quot;Zoë&quot; &amp; &#x27;Co&#x27;&lt;/b&gt;"
    assert body(found, "html") == f'<p title="{escaped}">{escaped}</p>\n'
    assert body(found, "plain") == "<b>\"Zoë\" & 'Co'</b>\n"


def test_every_header_of_the_contract() -> None:
    found = parsed(
        message(
            rendered(), reply_to=Mailbox("Desk", "desk@courier.example"), archive_url="https://courier.example/issues/"
        )
    )
    assert dict(found.items()) == {
        "From": "The Harbour Courier <news@courier.example>",
        "To": "Zoë Ünal <zoe@reader.example>",
        "Subject": "Morning Courier: Chips & “proper” vinegar: price < £9",
        "Date": "Sun, 22 Nov 2026 07:30:00 +0000",
        "Message-ID": "<12.abcdefghij@courier.example>",
        "Reply-To": "Desk <desk@courier.example>",
        "List-Id": "Morning Courier <morning.courier.example>",
        "List-Unsubscribe": f"<{VALUES['unsubscribe_url']}>, <{VALUES['unsubscribe_mailto']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": "<https://courier.example/issues/>",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Feedback-ID": "daily-2026-11-22:morning:digest:courierexamples",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="=_{NONCE}"',
    }


def test_without_a_mailbox_for_it_only_the_web_address_unsubscribes() -> None:
    found = parsed(message(plain(), VALUES | {"unsubscribe_mailto": ""}))
    assert found["List-Unsubscribe"] == f"<{VALUES['unsubscribe_url']}>"
    assert "List-Archive" not in found
    assert "Reply-To" not in found


def test_the_unsubscribe_headers_can_be_left_out() -> None:
    found = parsed(message(plain(), unsubscribe=False))
    assert "List-Unsubscribe" not in found
    assert "List-Unsubscribe-Post" not in found


@given(st.text(), st.text(), st.text(st.characters(codec="ascii", categories=["L", "N"])))
def test_feedback_ids(issue: str, digest: str, domain: str) -> None:
    parts = feedback_id(issue, digest, domain).split(":")
    assert len(parts) == 4
    assert 5 <= len(parts[3]) <= 15
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", part) for part in parts)


def test_a_template_vouches_for_what_need_not_be_looked_through() -> None:
    blob = build_message(rendered(), headers())
    assert MessageTemplate(blob, NONCE).ready
    for spoilt in (blob + b".x\r\n", blob[:-2] + b"\n", blob[:-2], blob + b"\rx\r\n"):
        assert not MessageTemplate(spoilt, NONCE).ready


def test_two_readers_differ_only_in_their_slots() -> None:
    template = MessageTemplate(build_message(rendered(), headers()), NONCE)
    other = {name: value.replace("Zoë", "Ann").replace("zoe", "ann") for name, value in VALUES.items()}
    first, second = template.fill(VALUES).split(b"\r\n"), template.fill(other).split(b"\r\n")
    assert [(a, b) for a, b in zip(first, second, strict=True) if a != b] == [
        (
            b"To: =?utf-8?q?Zo=C3=AB_=C3=9Cnal?= <zoe@reader.example>",
            b"To: =?utf-8?q?Ann_=C3=9Cnal?= <ann@reader.example>",
        )
    ]
    assert template.fill(VALUES) == template.fill(VALUES)


def test_an_international_local_part_goes_out_as_rfc_6532_wants_it() -> None:
    data = message(plain(), VALUES | {"recipient.name": "", "recipient.email": "zoë@kürbis.example"})
    assert "To: zoë@xn--krbis-kva.example\r\n".encode() in data
    assert data.replace("zoë".encode(), b"").isascii()


def test_the_nonce_is_read_from_the_message() -> None:
    blob = build_message(rendered(), headers())
    assert MessageTemplate(blob).nonce == NONCE
    with pytest.raises(StoreError):
        MessageTemplate(b"Subject: something else\r\n\r\nHello\r\n")


GOLDEN_CASES: dict[str, dict[str, Any]] = {
    "english": {},
    "arabic": {"language": "ar", "digest_title": "رسائل المرفأ", "site": SITE.model_copy(update={"language": "ar"})},
    "brief": {
        "digest": Digest(template="brief"),
        "intro": "Good morning. **Two boats** are back: [see which](https://courier.example/boats).",
        "corrections": sample_articles()[1:2],
    },
    "letter": {"digest": Digest(template="plain-letter"), "language": "de", "digest_title": "Morgenpost"},
    "japanese": {
        "language": "ja",
        "digest_title": "港の便り",
        "subject": '{{ recipient.name | fallback("皆") }}様 {{ top.title }}',
    },
}


@pytest.mark.parametrize("name", GOLDEN_CASES)
def test_golden(name: str) -> None:
    """Messages that people have read and found right, byte for byte; SYNDICATE_GOLDEN=write writes them anew."""
    case = dict(GOLDEN_CASES[name])
    case["words"] = shipped_templates().words(str(case.get("language", "en")), "en")
    told = edition(**case)
    data = message(render_edition(shipped_templates(), told, NONCE), digest_title=told.digest_title)
    check_wire(data)
    path = GOLDEN / f"{name}.eml"
    if os.environ.get("SYNDICATE_GOLDEN") == "write":
        path.write_bytes(data)
    assert data.decode() == path.read_bytes().decode()
