"""Articles for tests of feeds: one by hand, any by Hypothesis (clean as ingest leaves them, or not), and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from syndicate.config import Settings
from syndicate.model import Article, ArticleContent, ArticleKind

FIRST = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

# What XML 1.0 can hold (production 2), which is what ingest leaves in a text.
CLEAN = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[*map(chr, range(9)), "\x0b", "\x0c", *map(chr, range(0x0E, 0x20)), "\ufffe", "\uffff"],
)
HOSTILE_TEXTS = [
    'AT&T <em>vs</em> "R&D"',
    "How to write &amp; in HTML",
    "1 < 2 & 3 > 2",
    "]]>",
    "<![CDATA[x]]>",
    "&#x26;",
]
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - zone below


def feed_settings(**feed: Any) -> Settings:
    """One feed, ``all``, of The Harbour Courier."""
    return Settings.model_validate(
        {
            "site": {
                "title": "The Harbour Courier",
                "url": "https://courier.example",
                "description": "News from the port & the town",
                "publisher": "Harbour Media",
                "copyright": "© Harbour Media",
            },
            "service": {"public_url": "https://news.courier.example", "min_free_disk": 0},
            "feed": {"all": feed},
        }
    )


def article(number: int = 1, *, uid: str | None = None, published: datetime | None = None, **given: Any) -> Article:
    """One article, dated ``number`` hours after FIRST unless said otherwise."""
    edited = given.pop("edited", None)
    content: dict[str, Any] = {"key": str(number), "title": f"Story {number}", "language": "en"} | given
    return Article(
        id=number,
        uid=uid or f"tag:courier.example,2026:stories/{number}",
        source="stories",
        seq=number,
        version=1,
        published_at=published or FIRST + timedelta(hours=number),
        updated_at=edited,
        withdrawn_at=None,
        content=ArticleContent(**content),
    )


def texts(alphabet: st.SearchStrategy[str], *, least: int = 0, most: int = 40) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


@st.composite
def articles(
    draw: st.DrawFn, alphabet: st.SearchStrategy[str] = CLEAN, *, hostile: bool = True, most: int = 6
) -> list[Article]:
    """Any articles with ids of their own. With another alphabet than CLEAN they are what ingest should have cleaned."""
    line = texts(alphabet)
    title, summary = texts(alphabet, least=1), line
    if hostile:
        title |= st.sampled_from(HOSTILE_TEXTS)
        summary |= st.sampled_from(HOSTILE_TEXTS)
    found = []
    for number in range(draw(st.integers(0, most))):
        published = draw(TIMES | st.just(FIRST))  # several at one time are usual
        found.append(
            article(
                number,
                published=published,
                edited=draw(st.none() | st.just(published) | TIMES),
                title=draw(title),
                url=draw(st.none() | st.just(f"https://courier.example/stories/{number}?a=1&b=2") | line),
                html=draw(texts(alphabet, most=200)),
                summary=draw(summary),
                authors=tuple(draw(st.lists(texts(alphabet, least=1), max_size=3, unique=True))),
                category=draw(st.none() | line),
                tags=tuple(draw(st.lists(line, max_size=3))),
                language=draw(st.none() | st.sampled_from(["en", "EN", "he", "zh-Hant", "no language at all", ""])),
                image=draw(st.none() | st.just(f"https://courier.example/media/{number}.png") | line),
                image_alt=draw(line),
                kind=draw(st.sampled_from(ArticleKind)),
            )
        )
    return draw(st.permutations(found))
