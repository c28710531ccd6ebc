"""Editions of the sample paper as pages that a browser can open: real articles, pictures from the disk."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from mail_samples import NONCE, SITE, VALUES, shipped_templates

from syndicate.config.sections import Digest
from syndicate.config.sources import FolderSource
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.render.edition import EditionInput, render_edition
from syndicate.core.render.slots import fill_markers
from syndicate.io.front_matter import split_front_matter
from syndicate.model import Article, SourceItem

EXAMPLES = Path(__file__).parents[1] / "examples"
TEMPLATES = ("magazine", "brief", "plain-letter")
INTRO = (
    "Good morning. **Two boats** are back at Cask Quay: [see which](https://courier.example/boats).\n\nMind the ice."
)
_PICTURES = ("night-ferry.png", "harbour-dawn.png")


@cache
def paper() -> tuple[Article, ...]:
    """The sample articles of the Courier, newest first. Where mails cannot show a picture (SVG), a PNG stands for it."""
    found = []
    source = FolderSource(type="folder", path=EXAMPLES / "articles")
    for number, path in enumerate(sorted((EXAMPLES / "articles").glob("hc-*")), 1):
        fields, body = split_front_matter(path.read_text())
        form = "markdown" if path.suffix == ".md" else "html"
        item = SourceItem(item=path.name, stamp="", fields=fields, body=body, format=form)
        content = normalise(item, ArticleDefaults.of(SITE, source))
        if content.image and content.image.endswith(".svg"):
            content = replace(content, image=f"https://courier.example/media/{_PICTURES[number % 2]}")
        published = content.published_at or datetime(2026, 11, 20, tzinfo=UTC)
        found.append(
            Article(
                id=number,
                uid=f"tag:courier.example,2026:{content.key}",
                source="stories",
                seq=number,
                version=1,
                published_at=published,
                updated_at=content.updated_at,
                withdrawn_at=None,
                content=content,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.published_at, one.id), reverse=True))


def issue(template: str, language: str = "en-GB", **changed: Any) -> EditionInput:
    """One issue of the sample paper: twelve articles, eight headlines."""
    articles = paper()
    values: dict[str, Any] = {
        "site": SITE,
        "digest_name": "morning",
        "digest": Digest(template=template),
        "digest_title": "Morning Courier" if language.startswith("en") else "الصباح" if language == "ar" else "Courier",
        "language": language,
        "date": date(2026, 11, 22),
        "zone": "Europe/London",
        "articles": articles[:12],
        "headlines": articles[12:20],
        "more": 5,
        "intro": INTRO,
        "corrections": articles[24:26],
        "words": shipped_templates().words(language, "en"),
    }
    return EditionInput(**values | changed)


def write_page(edition: EditionInput, place: Path) -> str:
    """Render it into a file; returns the address for a browser."""
    made = render_edition(shipped_templates(), edition, NONCE)
    page = fill_markers(made.html, NONCE, VALUES, html.escape)
    page = page.replace("https://courier.example/media/", f"{(EXAMPLES / 'media').as_uri()}/")
    place.write_text(page)
    return place.as_uri()
