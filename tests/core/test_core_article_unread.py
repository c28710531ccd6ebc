from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.article.unread import FIELDS, unread_fields
from syndicate.model import SourceItem


@pytest.mark.parametrize(
    ("names", "hints"),
    [
        (["titel"], ["'titel' is not read; did you mean 'title'?"]),
        (["title", "subtitle"], []),
        (
            ["tag", "categories"],
            ["'categories' is not read; did you mean 'category'?", "'tag' is not read; did you mean 'tags'?"],
        ),
        (["draft"], ["'draft' is not read; did you mean 'withdrawn'?"]),
        (["published", "date"], []),
        (["layout", "slug", "weight", "x" * 100_000], []),
    ],
)
def test_hints(names: list[str], hints: list[str]) -> None:
    assert list(unread_fields(names)) == hints


@given(st.sets(st.sampled_from(sorted(FIELDS))))
def test_what_is_read_gets_no_hint(names: set[str]) -> None:
    assert list(unread_fields(names)) == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_read(name: str) -> None:
    def made(**fields: object) -> object:
        item = SourceItem(item="a", stamp="", fields={"title": "T", **fields}, body="<p>Body</p>")
        return normalise(item, ArticleDefaults(base="https://courier.example/"))

    values = {"kind": "notice", "withdrawn": True, "pinned": True, "comments": 3, "popularity": 3}
    times = {"date", "published_at", "updated", "updated_at", "expires", "expires_at"}
    value = values.get(name, "2026-11-22" if name in times else "en" if name == "language" else "/x")
    assert made(**{name: value}) != made()


def test_a_date_in_a_message_is_a_date() -> None:
    from datetime import datetime

    from syndicate.errors import ArticleError

    item = SourceItem(item="a", stamp="", fields={"title": "T", "date": datetime.fromisoformat("9999-12-31T00:00:00")})
    with pytest.raises(ArticleError, match=r"^date: 9999-12-31 00:00:00 lies outside"):
        normalise(item, ArticleDefaults())
