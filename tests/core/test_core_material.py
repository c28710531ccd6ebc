"""Which edits say something else, and which only say it better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.material import is_material
from syndicate.model import ArticleContent

DAY = datetime(2026, 11, 22, tzinfo=UTC)


def content(html: str = "<p>The ferry sails at 9, they say.</p>", **fields: Any) -> ArticleContent:
    return ArticleContent(**{"key": "a", "title": "The ferry", "html": html, **fields})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The ferry sails at 9.", "The ferry sails at 10."),
        ("It cost a million.", "It cost a billion."),
        ("They can sail.", "They can't sail."),
        ("The pier is legal.", "The pier is illegal."),
        ("The pier is closed.", "The pier is closed. It opens in May."),
        ("The mayor, it is said, agreed.", "The mayor agreed."),
        ("It was not found.", "It was now found."),
    ],
)
def test_another_word_or_number_is_material(before: str, after: str) -> None:
    assert is_material(content(f"<p>{before}</p>"), content(f"<p>{after}</p>"))
    assert is_material(content(title=before), content(title=after))
    assert is_material(content(summary=before), content(summary=after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>They recieve teh mail.</p>", "<p>They receive the mail.</p>"),
        ("<p>We accomodate all</p>", "<p>We accommodate all.</p>"),
        ("<p>A café on the quay</p>", "<p>A cafe on the Quay!</p>"),
        ("<p>One. Two.</p>", "<div><p>One.</p><p><em>Two</em>.</p></div>"),
        ("<p>The frery sails</p>", "<p>The ferry sails</p>"),
        ("<p>A while ago</p>", "<p>Awhile ago</p>"),
    ],
)
def test_spelling_and_form_are_not(before: str, after: str) -> None:
    assert not is_material(content(before), content(after))


def test_what_readers_do_not_read_is_not() -> None:
    assert not is_material(content(), content(image="https://courier.example/a.png", tags=("port",), authors=("Ann",)))


def test_a_publisher_who_dates_edits_has_the_word() -> None:
    other = "<p>The ferry sails at 10, they say.</p>"
    assert not is_material(content(updated_at=DAY), content(other, updated_at=DAY))
    assert is_material(content(updated_at=DAY), content(other, updated_at=DAY.replace(day=23)))
    assert is_material(content(), content(other, updated_at=DAY))
    assert not is_material(content(), content(updated_at=DAY))


@given(st.lists(st.sampled_from(["ferry", "quay", "sails", "mayor", "nine"]), min_size=1, max_size=12), st.data())
def test_a_number_changed_anywhere_is_material(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words)))
    one, other = data.draw(st.lists(st.integers(0, 999), min_size=2, max_size=2, unique=True))
    texts = [" ".join([*words[:place], str(number), *words[place:]]) for number in (one, other)]
    assert is_material(content(f"<p>{texts[0]}</p>"), content(f"<p>{texts[1]}</p>"))
    assert not is_material(content(f"<p>{texts[0]}</p>"), content(f"<div>{texts[0].upper()}!</div>"))
