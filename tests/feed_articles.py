"""Articles for tests of feeds: one by hand, any by Hypothesis (clean as ingest leaves them, or not), and settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from syndicate.config import Settings
from syndicate.core.article.sanitise import sanitise
from syndicate.core.article.text import clean_line, clean_text
from syndicate.core.feeds import FeedDocument, Tombstone, feed_document
from syndicate.model import Article, ArticleContent, ArticleKind, Attachment

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
# What ingest takes (core/article/fields.py): years beyond are the "never" and "unknown" of databases.
PLAUSIBLE_TIMES = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


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


def attachments(line: st.SearchStrategy[str]) -> st.SearchStrategy[Attachment]:
    return st.builds(
        Attachment,
        url=st.sampled_from(["https://courier.example/tides.pdf", "https://courier.example/a b/horn.mp3"]) | line,
        type=st.sampled_from(["", "audio/mpeg", "text/html; charset=utf-8", "no type"]) | line,
        length=st.none() | st.integers(-1, 2**40),
    )


@st.composite
def articles(
    draw: st.DrawFn,
    alphabet: st.SearchStrategy[str] = CLEAN,
    *,
    hostile: bool = True,
    most: int = 6,
    times: st.SearchStrategy[datetime] = TIMES,
) -> list[Article]:
    """Any articles with ids of their own. With another alphabet than CLEAN they are what ingest should have cleaned."""
    line = texts(alphabet)
    title, summary = texts(alphabet, least=1), line
    if hostile:
        title |= st.sampled_from(HOSTILE_TEXTS)
        summary |= st.sampled_from(HOSTILE_TEXTS)
    found = []
    for number in range(draw(st.integers(0, most))):
        published = draw(times | st.just(FIRST))  # several at one time are usual
        found.append(
            article(
                number,
                published=published,
                edited=draw(st.none() | st.just(published) | times),
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
                markdown=draw(st.none() | line),
                comments=draw(st.none() | st.integers(0, 9)),
                comments_url=draw(st.none() | st.just(f"https://courier.example/stories/{number}#comments") | line),
                comments_feed=draw(st.none() | st.just(f"https://courier.example/stories/{number}/comments.xml")),
                attachments=tuple(draw(st.lists(attachments(line), max_size=3))),
            )
        )
    return draw(st.permutations(found))


HOSTILE_HTML = [
    '<p onclick="x()">a</p><script>alert(1)</script>',
    '<a href="java\tscript:alert(1)">a</a> <img src="x.png" onerror=alert(1)>',
    "<p>The prefix on = 5; action, background, javascript: are words &lt;script&gt; too.</p>",
    '<p title="<script>alert(1)</script> onclick=1">a</p>',
    '<a href="../elsewhere">a</a><a href="#here">b</a><blockquote cite="x y">c</blockquote>',
    "<svg><script>1</script></svg><math><mi//xlink:href='data:x,'></math><table><a><b></table>",
    '<base href="https://other.example/"><form action=/x><input></form><style>p{}</style>',
    "<p>unclosed <em>and <b>crossed</em></b> &nbsp; &#8; &#xD800; ]]> <!-- c -->",
    '<img src="https://courier.example/media/1.png" width="640" height="480"><img src=data:x>',
]


@st.composite
def clean_articles(draw: st.DrawFn) -> list[Article]:
    """Any articles as ingest leaves them: their bodies, hostile ones too, have been sanitised."""
    found = draw(articles(times=PLAUSIBLE_TIMES))
    base = draw(st.none() | st.just("https://courier.example/port/"))
    bodies = [draw(st.sampled_from(HOSTILE_HTML) | texts(CLEAN, most=100)) for _ in found]
    return [
        replace(one, content=_cleaned(one.content, sanitise(body, base)))
        for one, body in zip(found, bodies, strict=True)
    ]


def _cleaned(content: ArticleContent, html: str) -> ArticleContent:
    return replace(
        content,
        title=clean_line(content.title) or "A title",
        html=html,
        markdown=None if content.markdown is None else clean_text(content.markdown),
        summary=clean_line(content.summary),
        authors=tuple(map(clean_line, content.authors)),
        category=None if content.category is None else clean_line(content.category),
        tags=tuple(map(clean_line, content.tags)),
        image_alt=clean_line(content.image_alt),
    )


def everything(settings: Settings, found: list[Article]) -> FeedDocument:
    """The document of ``all`` with all that publication can put into one."""
    document, _problems = feed_document(settings, "all", found)
    return replace(
        document,
        hubs=("https://hub.example/", "https://news.courier.example/websub"),
        prev_archive=f"{document.base}/archive/2",
        tombstones=(Tombstone(id="tag:courier.example,2026:stories/gone", when=FIRST),),
        icon="https://courier.example/icon.png",
        logo="https://courier.example/logo.svg",
        favicon="https://courier.example/favicon.png",
    )
