"""Slugs stand in addresses and as folders: in any script, never dangerous, one for each term."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syndicate.core.feeds.slugs import free_slug, quoted_path, slug


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("Port", "port"),
        ("The Häfen & Straße", "the-hafen-strasse"),
        ("  Été  à la mer ", "ete-a-la-mer"),
        ("новости порта", "новости-порта"),
        ("港口", "港口"),
        ("หาดทราย", "หาดทราย"),
        ("हिन्दी समाचार", "हिन्दी-समाचार"),
        ("يسرى الحدّاد", "يسرى-الحدّاد"),
        ("C++", "c"),
        ("../../etc/passwd", "etc-passwd"),
        ("a_b.c", "a-b-c"),
    ],
)
def test_terms_become_readable_slugs(term: str, expected: str) -> None:
    assert slug(term) == expected


def test_what_holds_no_letter_gets_a_name_of_its_own() -> None:
    assert slug("+++").startswith("term-")
    assert slug("+++") != slug("---")


def test_a_slug_that_is_taken_is_numbered() -> None:
    assert free_slug("C++", {"c"}) == "c-2"
    assert free_slug("C#", {"c", "c-2"}) == "c-3"


@given(st.text(max_size=300))
@example("0\x80\U0001133b")
def test_any_term_gives_a_folder_and_a_part_of_an_address(term: str) -> None:
    made = slug(term)
    assert made
    assert len(made.encode()) <= 255
    assert not set(made) & set("/\\.\0 ?#%&\n")
    assert made == slug(made)
    assert unquote(quoted_path(made)) == made
    assert quoted_path(made).isascii()


@given(st.lists(st.text(max_size=20), max_size=20))
def test_no_two_terms_share_a_slug(terms: list[str]) -> None:
    taken: set[str] = set()
    for term in terms:
        made = free_slug(term, taken)
        assert made not in taken
        taken.add(made)
