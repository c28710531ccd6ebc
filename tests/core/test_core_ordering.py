"""The order of articles: each order by its own rule, pinned first in all; sections as the digest names them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syndicate.config.sections import Digest
from syndicate.core.ordering import by_section, ranked
from syndicate.core.selection import Offer, Outline, Standing, choose

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDERS = ("newest", "oldest", "popularity", "title")
CATEGORIES = ["", "port", "sport", "town", "council"]

OUTLINES = st.lists(
    st.builds(
        lambda number, age, category, pinned, popularity, title: Outline(
            id=number,
            seq=number,
            version=1,
            published_at=NOW - age * HOUR,
            category=category,
            pinned=pinned,
            popularity=popularity,
            title=title,
        ),
        st.integers(1, 30),
        st.integers(0, 5),
        st.sampled_from(CATEGORIES),
        st.booleans(),
        st.none() | st.integers(0, 3).map(float),
        st.sampled_from(["Anchor", "anchor", "Étude", "Eel", "Zebra", "海", ""]),
    ),
    unique_by=lambda each: each.id,
)
CARRIED = st.frozensets(st.integers(1, 30), max_size=10)
SECTIONS = st.lists(st.sampled_from(["Port", "town", "council", "nowhere"]), unique=True)


def digest(order: str, **more: Any) -> Digest:
    return Digest.model_validate({"order": order, **more})


def of(number: int, **fields: Any) -> Outline:
    return replace(Outline(id=number, seq=number, version=1, published_at=NOW - number * HOUR), **fields)


@given(OUTLINES, CARRIED, st.sampled_from(ORDERS))
def test_pinned_first_then_carried_in_every_order_and_nothing_lost(
    outlines: list[Outline], carried: frozenset[int], order: str
) -> None:
    found = ranked(outlines, digest(order), carried)
    assert sorted(each.id for each in found) == sorted(each.id for each in outlines)
    classes = [(not each.pinned, each.id not in carried) for each in found]
    assert classes == sorted(classes)
    for one, two in pairwise(each for each in found if not each.pinned and each.id in carried):
        assert one.published_at <= two.published_at


@given(OUTLINES, st.sampled_from(ORDERS), st.randoms())
def test_the_order_of_an_issue_does_not_depend_on_the_order_of_reading(
    outlines: list[Outline], order: str, random: Any
) -> None:
    shuffled = outlines[:]
    random.shuffle(shuffled)
    assert ranked(shuffled, digest(order), ()) == ranked(outlines, digest(order), ())


@given(OUTLINES)
def test_each_order_by_its_own_rule(outlines: list[Outline]) -> None:
    plain = [each for each in outlines if not each.pinned]
    newest = ranked(plain, digest("newest"), ())
    assert all(one.published_at >= two.published_at for one, two in pairwise(newest))
    oldest = ranked(plain, digest("oldest"), ())
    assert all(one.published_at <= two.published_at for one, two in pairwise(oldest))
    popular = [each.popularity for each in ranked(plain, digest("popularity"), ())]
    known = [each for each in popular if each is not None]
    assert known == sorted(known, reverse=True)
    assert popular == [*known, *[None] * (len(popular) - len(known))]


def test_titles_are_ordered_as_people_do() -> None:
    titles = ["Zebra", "étude", "anchor", "Eel", "Étage", "海", "Fair"]
    found = ranked([of(n, title=title) for n, title in enumerate(titles)], digest("title"), ())
    assert [each.title for each in found] == ["anchor", "Eel", "Étage", "étude", "Fair", "Zebra", "海"]


@given(OUTLINES, SECTIONS)
def test_sections_stand_together_and_named_ones_in_their_order(outlines: list[Outline], sections: list[str]) -> None:
    before = ranked(outlines, digest("newest"), ())
    found = by_section(before, sections)
    assert sorted(each.id for each in found) == sorted(each.id for each in before)
    if not sections:
        assert list(found) == before
        return
    # Within a section nothing changes places.
    for category in CATEGORIES:
        assert [each for each in found if each.category == category and each.pinned] == [
            each for each in before if each.category == category and each.pinned
        ]
    runs = [category for category, _ in groupby(found, key=lambda each: each.category)]
    assert len([run for run in runs if run]) == len({run for run in runs if run})  # none stands in two places
    pinned = {each.category for each in found if each.pinned}
    named = [section.casefold() for section in sections]
    for leads in (True, False):
        part = [run for run in runs if run and (run in pinned) is leads]
        places = [named.index(run) if run in named else len(named) for run in part]
        assert places == sorted(places)
    assert not found or found[0].pinned or not any(each.pinned for each in found)
    last = [each for each in found if not each.category and not each.pinned]
    assert list(found[len(found) - len(last) :]) == last


def test_a_pinned_article_makes_its_section_the_first() -> None:
    found = by_section(
        ranked(
            [of(1, category="sport"), of(2, category="port"), of(3, category="sport", pinned=True), of(4)],
            digest("newest"),
            (),
        ),
        ("port", "sport"),
    )
    assert [each.id for each in found] == [3, 1, 2, 4]


def test_order_decides_what_an_issue_holds_and_sections_only_where_it_stands() -> None:
    offered = [of(1, category="sport", popularity=9), of(2, category="sport", popularity=8), of(3, category="port")]
    choice = choose(
        Offer(offered),
        Standing(0, first=False, topics={"*": 0}),
        digest("popularity", max_items=2, sections=["port", "sport"]),
        now=NOW,
    )
    assert [each.id for each in choice.articles] == [1, 2]
    assert [each.id for each in choice.headlines] == [3]


@pytest.mark.parametrize("sections", [["port", "PORT"], [""]])
def test_sections_that_are_none_are_refused(sections: list[str]) -> None:
    with pytest.raises(ValidationError, match="names of categories"):
        Digest.model_validate({"sections": sections})
