"""Two invented articles for trying templates: one with everything an article can have, one with nothing but a title."""

from __future__ import annotations

from datetime import UTC, datetime

from syndicate.model import Article, ArticleContent, ArticleKind

SAMPLE_TIME = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)

_FULL = ArticleContent(
    key="sample-full",
    title="The tide clock is right again & nobody noticed",
    url="https://courier.example/sample/tide-clock",
    html="<p>It was four minutes slow for eleven years.</p><h2>How</h2><ul><li>With <em>oil</em></li></ul>",
    markdown="It was four minutes slow for eleven years.",
    summary="It was four minutes slow for eleven years, which the harbour had learnt to add.",
    authors=("Nora Tideswell", "Ansel Tye"),
    publisher="The Coast Wire",
    category="news",
    tags=("harbour", "clocks"),
    language="en",
    published_at=SAMPLE_TIME,
    updated_at=SAMPLE_TIME,
    kind=ArticleKind.CORRECTION,
    image="https://courier.example/media/clock.png",
    image_alt="A round clock with a single hand on a harbour wall.",
    comments=3,
    comments_url="https://courier.example/sample/tide-clock#comments",
    popularity=1.0,
)
_BARE = ArticleContent(key="sample-bare", title="حكاية من الميناء", language="ar", published_at=SAMPLE_TIME)

SAMPLE_ARTICLES = tuple(
    Article(
        id=number,
        uid=f"tag:courier.example,2026:{content.key}",
        source="sample",
        seq=number,
        version=1,
        published_at=SAMPLE_TIME,
        updated_at=content.updated_at,
        withdrawn_at=None,
        content=content,
    )
    for number, content in enumerate((_FULL, _BARE), start=1)
)
