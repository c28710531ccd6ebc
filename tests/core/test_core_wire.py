"""The finished message as bytes, requirement by requirement (docs/deliverability.md): what no single module can promise."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from feed_articles import article
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from mail_pages import TEMPLATES, issue
from mail_samples import NONCE, SITE, VALUES, body, headers, message, parsed, plain, rendered, shipped_templates

from syndicate.config.sources import FolderSource
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.message.digest_message import build_message
from syndicate.core.message.headers import Mailbox
from syndicate.core.message.template import MessageTemplate
from syndicate.core.render.edition import render_edition
from syndicate.core.render.graphemes import graphemes
from syndicate.model import SourceItem

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60)
# Parts of these hold words of people, in front of an address; all others are structure through and through.
PHRASES = {"From", "To", "Reply-To", "List-Id"}
LANGUAGES = ("ar", "de", "en-GB", "ja")
ADDRESS = re.compile(r"(?:https?|mailto):[^\s>]+")


def page_of(text: str) -> html.HtmlElement:
    return html.document_fromstring(text)


def fields(data: bytes) -> dict[str, str]:
    """The header, unfolded; every field once."""
    lines = re.sub(r"\r\n(?=[ \t])", "", data.partition(b"\r\n\r\n")[0].decode()).split("\r\n")
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines)
    return found


@given(TEXT, TEXT, TEXT, st.text("abcxyz0123456789", min_size=1, max_size=200))
def test_structured_fields_hold_no_encoded_words(title: str, name: str, sender: str, token: str) -> None:
    """R1: odoo#289182; a button that mail programs do not show is no button."""
    values = VALUES | {
        "recipient.name": name,
        "unsubscribe_url": f"https://news.courier.example/unsubscribe/{token}",
        "unsubscribe_mailto": f"mailto:bounces+u-{token}@courier.example?subject=unsubscribe",
    }
    data = message(
        plain(),
        values,
        digest_title=title,
        sender=Mailbox(sender, "news@courier.example"),
        reply_to=Mailbox(title, "desk@courier.example"),
        archive_url=f"https://courier.example/issues/{token}",
    )
    for field, value in fields(data).items():
        structure = value.rpartition("<")[2] if field in PHRASES else "" if field == "Subject" else value
        assert "=?" not in structure, field
    found = parsed(data)
    assert found["List-Unsubscribe"] == f"<{values['unsubscribe_url']}>, <{values['unsubscribe_mailto']}>"
    assert all(f"<{uri}>".encode() in data for uri in (values["unsubscribe_url"], values["unsubscribe_mailto"]))


def test_nothing_in_the_header_tells_of_the_program_or_asks_for_a_receipt() -> None:
    """R11, R12: no X-Mailer, no List-Post, no receipts; a return path is the last server's to write."""
    names = {name.lower() for name in fields(message(rendered()))}
    assert not names & {"x-mailer", "user-agent", "list-post", "return-path", "bcc", "cc", "sender"}
    assert not {name for name in names if "receipt" in name or "notification" in name or name.startswith("received")}


def test_only_what_is_the_readers_differs_between_two_readers() -> None:
    """R4, R12: no other reader's address in a message, and nothing of a reader in Feedback-ID or List-Id."""
    template = MessageTemplate(build_message(rendered(), headers(date=datetime(2026, 11, 22, tzinfo=UTC))))
    other = VALUES | {
        "recipient.name": "Ann",
        "recipient.email": "ann@elsewhere.example",
        "message_id": "13.klmnopqrst@courier.example",
        "unsubscribe_url": "https://news.courier.example/unsubscribe/u1.zzz",
        "unsubscribe_mailto": "mailto:bounces+u-zzz@courier.example",
    }
    first, second = fields(template.fill(VALUES)), fields(template.fill(other))
    assert {name for name in first if first[name] != second[name]} == {"To", "Message-ID", "List-Unsubscribe"}
    assert b"zoe@" not in template.fill(other)
    assert template.fill(other).count(b"ann@elsewhere.example") == 1, "in To, and nowhere else"


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_both_parts_hold_the_same_addresses_as_often(template: str, language: str) -> None:
    """R2: rspamd's URI_COUNT_ODD counts them, SpamAssassin's MPART_ALT_DIFF compares the words."""
    made = issue(template, language)
    found = parsed(message(render_edition(shipped_templates(), made, NONCE), digest_title=made.digest_title))
    page = page_of(body(found, "html"))
    assert sorted(page.xpath("//a/@href")) == sorted(ADDRESS.findall(body(found, "plain")))
    for heading in page.iter("h1", "h2", "h3"):
        words = "".join(heading.text_content().split())
        assert words.casefold() in "".join(body(found, "plain").split()).casefold(), words


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_preheader_comes_first_is_hidden_and_is_not_said_again(template: str, language: str) -> None:
    """R6: its padding is for inboxes and stays out of the text part."""
    made = render_edition(shipped_templates(), issue(template, language), NONCE)
    page = page_of(made.html)
    (element,) = page.find_class("preheader")
    assert page.body[0] is element
    style = element.get("style", "")
    assert all(each in style for each in ("display:none", "max-height:0", "overflow:hidden", "mso-hide:all"))
    assert 20 <= sum(1 for _ in graphemes(made.preheader)) <= 130
    assert not set("\N{COMBINING GRAPHEME JOINER}\N{FIGURE SPACE}\N{ZERO WIDTH NON-JOINER}") & set(made.text)


@pytest.mark.parametrize("template", TEMPLATES)
def test_control_characters_of_articles_do_not_reach_a_mail(template: str) -> None:
    """R7: one U+0092 makes Gmail clip."""
    fields_of = {"id": "a", "title": "Fish\x92n\x07chips", "summary": "a\x85b\x00c", "url": "https://courier.example/a"}
    item = SourceItem(item="a.md", stamp="", fields=fields_of, body="<p>One\x92two\x0bthree</p>", format="html")
    content = normalise(item, ArticleDefaults.of(SITE, FolderSource(type="folder", path=Path("articles"))))
    spoilt = replace(article(1), content=content)
    made = issue(template, articles=(spoilt,), headlines=(spoilt,))
    texts = render_edition(shipped_templates(), made, NONCE)
    for part in (texts.html, texts.text, texts.subject):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", part)
