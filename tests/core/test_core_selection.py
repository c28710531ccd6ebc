"""Selection: whatever happens at the paper and to its readers, everyone gets what is theirs, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Digest
from syndicate.core.reads import reads
from syndicate.core.selection import MAX_HEADLINES, Choice, Offer, Outline, Standing, choose, matches
from syndicate.core.topics import EVERYTHING

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ["port", "sport", "town"]


def outline(seq: int, *, age: timedelta = timedelta(hours=1), **fields: Any) -> Outline:
    return replace(Outline(id=100 + seq, seq=seq, version=1, published_at=NOW - age), **fields)


def regular(cursor: int = 0, **fields: Any) -> Standing:
    return replace(Standing(cursor=cursor, first=False, topics={"*": 0}), **fields)


def newcomer(joined_seq: int, **fields: Any) -> Standing:
    return replace(Standing(cursor=0, first=True, topics={"*": 0}, joined_seq=joined_seq), **fields)


def seqs(found: tuple[Outline, ...]) -> list[int]:
    return [each.seq for each in found]


def test_lookback_bounds_what_was_there_before_the_reader_joined_and_nothing_later() -> None:
    offer = Offer([outline(1, age=30 * DAY), outline(2, age=3 * DAY), outline(3, age=20 * DAY)])
    digest = Digest(lookback=7 * DAY)
    assert seqs(choose(offer, newcomer(2), digest, now=NOW).articles) == [2, 3]
    assert seqs(choose(offer, newcomer(3), digest, now=NOW).articles) == [2]
    assert seqs(choose(offer, newcomer(0), digest, now=NOW).articles) == [2, 3, 1]


def test_a_first_issue_after_a_month_holds_the_month() -> None:
    offer = Offer(outline(1 + day, age=(28 - day) * DAY) for day in range(28))
    choice = choose(offer, newcomer(0), Digest(max_items=28, lookback=7 * DAY), now=NOW)
    assert len(choice.articles) == 28


def test_who_waits_for_more_is_told_from_whom_nothing_is_there_for() -> None:
    offer = Offer([outline(1, topics=frozenset({"port"}))])
    digest = Digest(min_items=2)
    assert choose(offer, regular(), digest, now=NOW).waits
    nothing = choose(offer, regular(topics={"sport": 0}), digest, now=NOW)
    assert (nothing.waits, nothing.wanted) == (False, False)


def test_pinned_first_then_carried_oldest_first_then_the_newest() -> None:
    offer = Offer(
        [
            outline(1, age=5 * DAY),
            outline(2, age=6 * DAY),
            outline(3, age=2 * DAY),
            outline(4, age=DAY),
            outline(5, age=9 * DAY, pinned=True),
        ]
    )
    choice = choose(offer, regular(2, carry=(101, 102)), Digest(), now=NOW)
    assert seqs(choice.articles) == [5, 2, 1, 4, 3]


def test_overflow() -> None:
    offer = Offer(outline(1 + hour, age=(100 - hour) * timedelta(hours=1)) for hour in range(60))
    headlines = choose(offer, regular(), Digest(max_items=2, overflow="headlines"), now=NOW)
    assert (seqs(headlines.articles), len(headlines.headlines), headlines.more) == ([60, 59], MAX_HEADLINES, 8)
    carry = choose(offer, regular(), Digest(max_items=2, overflow="carry"), now=NOW)
    assert carry.left_over == tuple(range(101, 159))
    drop = choose(offer, regular(), Digest(max_items=2, overflow="drop"), now=NOW)
    assert (seqs(drop.articles), drop.left_over, drop.headlines, drop.more) == ([60, 59], (), (), 0)


def test_an_article_that_comes_back_is_owed_to_who_had_not_got_it_and_to_nobody_else() -> None:
    digest = Digest(lookback=2 * DAY)
    away = Offer([outline(1), outline(2, withdrawn_at=NOW - DAY), outline(3, withdrawn_at=NOW - 3 * DAY)])
    choice = choose(away, regular(), digest, now=NOW)
    assert (seqs(choice.articles), choice.left_over) == ([1], (102,))
    assert choose(away, regular(3), digest, now=NOW).left_over == ()
    # For whom there is nothing else, too; and as long as it may come back.
    assert choose(away, regular(3, carry=(102,)), digest, now=NOW) == Choice(left_over=(102,))
    assert choose(away, regular(3, carry=(102,)), digest, now=NOW + DAY) == Choice()
    back = Offer([outline(1), outline(2), outline(3)])
    assert seqs(choose(back, regular(3, carry=(102,)), digest, now=NOW).articles) == [2]


def test_who_waits_for_more_is_owed_nothing_yet() -> None:
    offer = Offer([outline(1), outline(2, withdrawn_at=NOW - DAY)])
    assert choose(offer, regular(), Digest(min_items=2), now=NOW) == Choice(waits=True)


def test_only_articles_in_the_readers_language_match() -> None:
    offer = Offer([outline(1, language="en-GB"), outline(2, language="cy"), outline(3, language="fr"), outline(4)])
    welsh = regular(reads=reads(("en", "cy"), "cy", "en"))
    assert seqs(choose(offer, welsh, Digest(), now=NOW).articles) == [4, 3, 2]


@pytest.mark.parametrize("fields", [{"withdrawn_at": NOW}, {"expires_at": NOW}])
def test_what_may_not_be_shown_is_not_chosen_even_when_carried(fields: dict[str, Any]) -> None:
    offer = Offer([outline(1, **fields)])
    assert not choose(offer, regular(), Digest(), now=NOW).wanted
    assert not choose(offer, regular(1, carry=(101,)), Digest(), now=NOW).wanted


STANDINGS = st.builds(
    Standing,
    cursor=st.integers(0, 12),
    first=st.booleans(),
    topics=st.dictionaries(st.sampled_from([*NAMES, EVERYTHING]), st.integers(0, 12), min_size=1),
    carry=st.lists(st.integers(101, 112), unique=True).map(tuple),
    joined_seq=st.integers(0, 12),
)
OUTLINES = st.lists(
    st.builds(
        lambda seq, age, topics, pinned: outline(seq, age=age, topics=topics, pinned=pinned),
        st.integers(1, 12),
        st.integers(0, 20).map(lambda days: days * DAY),
        st.frozensets(st.sampled_from(NAMES)),
        st.booleans(),
    ),
    unique_by=lambda each: each.seq,
)
DIGESTS = st.builds(
    Digest,
    min_items=st.integers(1, 3),
    max_items=st.integers(1, 4),
    overflow=st.sampled_from(["headlines", "carry", "drop"]),
    lookback=st.integers(1, 10).map(lambda days: days * DAY),
)


def needed(everything: list[Outline], standing: Standing, digest: Digest, now: datetime) -> Offer:
    """No more than the store reads for a standing."""
    return Offer(
        each
        for each in everything
        if each.id in standing.carry
        or each.seq > standing.owed_from
        or (standing.first and each.published_at >= now - digest.lookback)
    )


@given(OUTLINES, STANDINGS, DIGESTS)
def test_what_the_store_need_not_read_makes_no_difference(
    everything: list[Outline], standing: Standing, digest: Digest
) -> None:
    offer = needed(everything, standing, digest, NOW)
    assert choose(offer, standing, digest, now=NOW) == choose(Offer(everything), standing, digest, now=NOW)


@given(OUTLINES, STANDINGS, DIGESTS)
def test_a_choice_is_made_of_what_is_new_or_carried_each_once(
    everything: list[Outline], standing: Standing, digest: Digest
) -> None:
    choice = choose(Offer(everything), standing, digest, now=NOW)
    fit = {
        each.id
        for each in everything
        if each.id in standing.carry or matches(each, standing, look_back_to=NOW - digest.lookback)
    }
    shown = [each.id for each in (*choice.articles, *choice.headlines)]
    assert len(shown) == len(set(shown))
    assert len(choice.articles) <= digest.max_items
    assert not set(shown) & set(choice.left_over)
    if len(fit) < digest.min_items:
        assert (shown, choice.left_over, choice.waits) == ([], (), bool(fit))
    elif digest.overflow == "drop":
        assert set(shown) < fit or len(fit) <= digest.max_items
    else:
        assert set(shown) | set(choice.left_over) == fit


@given(STANDINGS, st.integers(0, 12))
def test_with_the_cursor_past_the_joining_first_means_nothing(standing: Standing, seq: int) -> None:
    """So a cursor that is passed over may give ``first`` up, and two cohorts become one."""
    passed = replace(standing, cursor=max(standing.cursor, standing.joined_seq))
    settled = replace(passed, first=False, joined_seq=0)
    for age in (timedelta(0), 30 * DAY):
        each = outline(seq + 1, age=age, topics=frozenset({"port"}))
        assert matches(each, passed, look_back_to=NOW) == matches(each, settled, look_back_to=NOW)
