"""Files that belong to an article: every way in which front matter and columns name them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.attachments import MAX_ATTACHMENTS, read_attachments
from syndicate.errors import ArticleError
from syndicate.model import Attachment

BASE = "https://courier.example/port/"
HORN = {"url": "https://courier.example/horn.mp3", "type": "audio/mpeg", "length": 9}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ("tides.pdf", [("https://courier.example/port/tides.pdf", "", None)]),
        (HORN, [tuple(HORN.values())]),
        ([HORN, "/tides.pdf"], [tuple(HORN.values()), ("https://courier.example/tides.pdf", "", None)]),
        (json.dumps([HORN, HORN]), [tuple(HORN.values())]),
        (json.dumps(HORN), [tuple(HORN.values())]),
        ({"href": "a b.mp3", "mime_type": "Audio/MPEG", "size": "12"}, [(f"{BASE}a%20b.mp3", "audio/mpeg", 12)]),
        ([{"url": "a.mp3", "length": 0}], [(f"{BASE}a.mp3", "", None)]),
        (["ftp://courier.example/a", "javascript:x", {"type": "audio/mpeg"}], []),
    ],
)
def test_what_is_taken(value: Any, expected: list[tuple[str, str, int | None]]) -> None:
    assert [(each.url, each.type, each.length) for each in read_attachments(value, BASE)] == expected


@pytest.mark.parametrize(
    "value",
    [
        "[not json",
        [["a"]],
        {"url": {"a": 1}},
        {"url": "a.mp3", "length": "many"},
        {"url": "a.mp3", "length": -1},
        {"url": "a.mp3", "length": 2.5},
        ["a.mp3"] * (MAX_ATTACHMENTS + 1),
    ],
)
def test_what_is_refused_with_the_field_named(value: Any) -> None:
    with pytest.raises(ArticleError, match="attachments"):
        read_attachments(value, BASE)


@given(
    st.lists(
        st.builds(
            Attachment,
            url=st.integers(0, 99).map(lambda n: f"https://courier.example/{n}"),
            type=st.just("a/b"),
            length=st.none() | st.integers(1, 2**50),
        )
    )
)
def test_what_was_written_is_read(given_: list[Attachment]) -> None:
    once = tuple({each.url: each for each in reversed(given_)}.values())
    value = [{"url": each.url, "type": each.type, "length": each.length} for each in reversed(once)]
    assert set(read_attachments(json.dumps(value), None)) == set(once)
