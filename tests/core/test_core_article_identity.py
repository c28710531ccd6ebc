from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Site
from syndicate.core.article.identity import content_hash, tag_authority, tag_uri
from syndicate.model import ArticleContent, ArticleKind, Attachment

DAY = date(2026, 11, 22)
CONTENT = ArticleContent(
    key="hc-1", title="The tuba was found", html="<p>In a boat.</p>", authors=("Ines Farrow",), tags=("band",)
)
# RFC 4151, section 2.1, with pchar of RFC 3986.
TAG_URI = re.compile(r"tag:[a-z0-9.@_-]+,\d{4}(-\d\d(-\d\d)?)?:(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*")


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (Site(url="https://Courier.example/paper"), "courier.example"),
        (Site(url="https://bücher.example:8443"), "xn--bcher-kva.example"),
        (Site(url="https://courier.example", tag_authority="old.example,2011"), "old.example,2011"),
        (
            Site(url="https://courier.example", tag_authority="editor@courier.example,2011-05"),
            "editor@courier.example,2011-05",
        ),
        (Site(url="http://[::1]/"), "localhost"),
        (Site(url="https://-bücher.example"), "localhost"),
        (Site(), "localhost"),
    ],
)
def test_authority(site: Site, expected: str) -> None:
    assert tag_authority(site) == expected


def test_tag_uri() -> None:
    assert tag_uri("courier.example", DAY, "stories", "hc-0007") == "tag:courier.example,2026-11-22:stories/hc-0007"
    assert tag_uri("courier.example,2011", DAY, "stories", "a/b c") == "tag:courier.example,2011:stories/a/b%20c"


SOURCES = st.one_of(
    st.sampled_from(["a", "a/b", "a%2Fb", "stories"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
)
KEYS = st.one_of(
    st.text("ab/% é#?\n", max_size=6), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=700)
)


@given(st.tuples(SOURCES, KEYS), st.tuples(SOURCES, KEYS))
def test_other_names_give_other_uris(one: tuple[str, str], two: tuple[str, str]) -> None:
    uris = [tag_uri("courier.example", DAY, *name) for name in (one, two)]
    assert (uris[0] == uris[1]) == (one == two)
    for uri in uris:
        assert TAG_URI.fullmatch(uri)
        assert len(uri) <= 700


@pytest.mark.parametrize(
    "other",
    [
        {"title": "The tuba is lost"},
        {"html": "<p>In the sea.</p>"},
        {"url": "https://courier.example/tuba"},
        {"summary": "x"},
        {"authors": ()},
        {"tags": ("band", "sea")},
        {"category": "culture"},
        {"language": "en"},
        {"publisher": "x"},
        {"kind": ArticleKind.CORRECTION},
        {"image": "https://courier.example/x.png"},
        {"image_alt": "x"},
        {"attachments": (Attachment(url="https://courier.example/x.pdf", type=""),)},
    ],
)
def test_what_readers_see_is_in_the_hash(other: dict[str, object]) -> None:
    assert content_hash(replace(CONTENT, **other)) != content_hash(CONTENT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"popularity": 9.0},
        {"comments": 3},
        {"pinned": True},
        {"expires_at": datetime(2027, 1, 1, tzinfo=UTC)},
        {"updated_at": datetime(2027, 1, 1, tzinfo=UTC)},
        {"markdown": "In a boat."},
    ],
)
def test_what_is_no_text_is_not_in_the_hash(other: dict[str, object]) -> None:
    assert content_hash(replace(CONTENT, **other)) == content_hash(CONTENT)  # type: ignore[arg-type]


def test_the_hash_is_the_same_in_another_process() -> None:
    program = (
        "from syndicate.core.article.identity import content_hash\n"
        "from syndicate.model import ArticleContent\n"
        f"print(content_hash({CONTENT!r}))\n"
    ).replace("<ArticleKind.ARTICLE: 'article'>", "__import__('syndicate.model').model.ArticleKind.ARTICLE")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_hash(CONTENT)


def test_an_article_of_before_there_were_attachments_is_the_same_text() -> None:
    # Another hash would be an edit of every article there is: new versions, and "updated" moved in every feed.
    assert content_hash(CONTENT) == "95c59570acd2597b4f256d1aba27d02f"
