"""Editions and messages for tests: the shipped templates, a few articles, one reader, and how a parser reads the result."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, date, datetime
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from feed_articles import article

from syndicate.config.sections import Digest, Site
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import Mailbox
from syndicate.core.message.template import MessageTemplate
from syndicate.core.render.edition import EditionInput, RenderedEdition, render_edition
from syndicate.core.render.templates import TemplateSet
from syndicate.model import Article, ArticleKind

TEMPLATES = Path(__file__).parents[1] / "templates"
NONCE = "nonce4567890abcdef0123"
SITE = Site(
    title="The Harbour Courier",
    url="https://courier.example",
    description="News from the port",
    language="en-GB",
    timezone="Europe/London",
    publisher="Harbour Media",
    postal_address="1 Quay Street, Harbourtown",
)
LINK = "https://news.courier.example/unsubscribe/u1.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIjKlMnOpQr"
VALUES = {
    "recipient.name": "Zoë Ünal",
    "recipient.email": "zoe@reader.example",
    "unsubscribe_url": LINK,
    "preferences_url": "https://news.courier.example/preferences/p1.AbCdEf?a=1&b=2",
    "web_url": "https://news.courier.example/issues/12/34",
    "unsubscribe_mailto": "mailto:bounces+u-abcdefghijklmnopqrstuvwxyz234567@courier.example?subject=unsubscribe",
    "message_id": "12.abcdefghij@courier.example",
}


def texts(**changed: str) -> dict[str, str]:
    """The shipped template texts by name, some of them changed (``digest__digest_html``: ``digest/digest.html``)."""
    return _shipped() | {
        re.sub(r"_(html|txt|toml)$", r".\1", name).replace("__", "/"): text for name, text in changed.items()
    }


@cache
def _shipped() -> dict[str, str]:
    return {
        path.relative_to(TEMPLATES).as_posix(): path.read_text()
        for path in TEMPLATES.rglob("*")
        if path.suffix in {".html", ".txt", ".toml"}
    }


@cache
def shipped_templates() -> TemplateSet:
    return TemplateSet(_shipped())


def sample_articles() -> tuple[Article, ...]:
    """Two sections, an edit, a correction, a notice, four scripts, an SVG that mails leave out."""
    return (
        article(
            1,
            title="Chips & “proper” vinegar: price < £9",
            url="https://courier.example/news/fryer?a=1&b=2",
            summary="June & Ravi's opened on Friday with two fryers, one menu and a sign that nobody dared to move.",
            authors=("Pia Holm", "Ansel Tye"),
            category="news",
            publisher="The Harbour Courier",
            image="https://courier.example/media/fryer.png",
            image_alt='A sign that reads "Cod < £9. Always."',
        ),
        article(
            2,
            title="Correction: beds at the winter shelter",
            url="https://courier.example/corrections/beds",
            summary="The shelter has 18 beds, not 28.",
            category="news",
            kind=ArticleKind.CORRECTION,
        ),
        article(
            3,
            title="«حكايات الميناء»: أمسية عربية",
            url="https://courier.example/culture/hikayat",
            summary="أكثر من سبعين شخصًا حضروا أول أمسية من لقاء شهري تُروى فيه القصص بالعربية.",
            authors=("يسرى الحدّاد",),
            category="culture",
            language="ar",
            image="https://courier.example/media/hikayat.svg",
            image_alt="A drawing.",
        ),
        article(
            4,
            title="汐鳴の大漁旗、ハーバータウンの岸壁にひるがえる",
            url="https://courier.example/culture/大漁旗",
            summary="姉妹港の汐鳴町から、現役の漁船で使われていた大漁旗十二枚が届いた。十二月六日まで、カスク埠頭で見ることができる。",
            authors=("潮田みなも",),
            category="culture",
            language="ja",
            publisher="Shionari Shimpo",
            edited=datetime(2026, 11, 21, 9, tzinfo=UTC),
        ),
        article(5, title="A note without an address", category="culture", summary="It hangs in the hall."),
    )


def sample_headlines() -> tuple[Article, ...]:
    return (
        article(
            6, title="Barley ship off the Sill after eleven hours aground", url="https://courier.example/port/barley"
        ),
        article(7, title="Wie man ein Netz flickt", url="https://courier.example/port/netz", language="de"),
    )


def edition(**changed: Any) -> EditionInput:
    """The sample edition of the digest "morning". ``subject`` changes the digest's."""
    language = changed.get("language", "en-GB")
    digest = Digest(subject=changed.pop("subject")) if "subject" in changed else Digest()
    values: dict[str, Any] = {
        "site": SITE,
        "digest_name": "morning",
        "digest": digest,
        "digest_title": "Morning Courier",
        "language": language,
        "date": date(2026, 11, 22),
        "zone": "Europe/London",
        "articles": sample_articles(),
        "headlines": sample_headlines(),
        "more": 3,
        "words": shipped_templates().words(language, "en"),
    }
    return EditionInput(**values | changed)


def headers(**changed: Any) -> MessageHeaders:
    values: dict[str, Any] = {
        "sender": Mailbox("The Harbour Courier", "news@courier.example"),
        "date": datetime(2026, 11, 22, 7, 30, tzinfo=ZoneInfo("Europe/London")),
        "digest": "morning",
        "digest_title": "Morning Courier",
        "domain": "courier.example",
        "issue": "daily/2026-11-22",
    }
    return MessageHeaders(**values | changed)


def rendered(templates: TemplateSet | None = None, **changed: Any) -> RenderedEdition:
    return render_edition(templates or shipped_templates(), edition(**changed), NONCE)


def plain(**changed: str) -> RenderedEdition:
    """Texts as if they had been rendered, for tests of messages alone."""
    values: dict[str, Any] = {
        "subject": "Hello",
        "html": "<p>Hi</p>\n",
        "text": "Hi\n",
        "preheader": "",
        "language": "en",
        "nonce": NONCE,
    }
    return RenderedEdition(**values | changed)


def message(edition_texts: RenderedEdition, values: dict[str, str] | None = None, **changed: Any) -> bytes:
    """The finished message for one reader."""
    return MessageTemplate(build_message(edition_texts, headers(**changed))).fill(values or VALUES)


def parsed(data: bytes) -> EmailMessage:
    """What Python's parser makes of it; a defect anywhere, also in a header, fails the test."""
    found = email.message_from_bytes(data, policy=email.policy.default)
    for part in found.walk():
        assert part.defects == []
        for name, value in part.items():
            assert getattr(value, "defects", ()) == (), (name, value)
    return found


def body(found: EmailMessage, kind: str) -> str:
    """The decoded text of one part with LF line ends."""
    part = found.get_body((kind,))
    assert part is not None
    return str(part.get_payload(decode=True).decode().replace("\r\n", "\n"))  # type: ignore[union-attr]
