"""Which corrections go with an issue: each that is owed once, none alone, none beside the article itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Digest
from syndicate.core.corrections import MOST, corrections, owed, with_owed
from syndicate.core.selection import Offer, Outline, Standing, choose

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def outline(number: int, *, withdrawn: bool = False) -> Outline:
    return Outline(
        id=number,
        seq=number,
        version=1,
        published_at=NOW - timedelta(hours=1),
        withdrawn_at=NOW if withdrawn else None,
    )


@given(
    st.sets(st.integers(1, 60), max_size=40),
    st.sets(st.integers(1, 60), max_size=30),
    st.sets(st.integers(1, 60), max_size=10),
    st.integers(0, 60),
    st.sampled_from(["headlines", "carry", "drop"]),
    st.sets(st.integers(1, 60), max_size=10),
)
def test_what_is_owed_is_given_once_or_stays_owed(
    there: set[int], wrong: set[int], left: set[int], cursor: int, overflow: str, withdrawn: set[int]
) -> None:
    offer = Offer([outline(number, withdrawn=number in withdrawn) for number in there])
    carry = with_owed(tuple(sorted(left)), wrong)
    standing = Standing(cursor=cursor, first=False, topics={"*": 0}, carry=carry)
    digest = Digest.model_validate({"max_items": 5, "overflow": overflow})
    choice = choose(offer, standing, digest, now=NOW)
    given_now, after = corrections(offer, standing, choice, now=NOW)

    shown = {each.id for each in (*choice.articles, *choice.headlines)}
    assert not set(given_now) & shown
    assert set(given_now) <= wrong - withdrawn
    assert len(given_now) == len(set(given_now)) <= MOST
    assert not set(owed(after)) & set(given_now)
    assert [each for each in after if each > 0] == list(choice.left_over)
    if not choice.wanted:
        assert given_now == ()
    else:
        told = {*given_now, *owed(after), *shown, *choice.left_over}
        assert (wrong & there) - withdrawn <= told


@given(st.sets(st.integers(1, 9)), st.lists(st.integers(1, 9)))
def test_owing_twice_is_owing_once(left: set[int], wrong: list[int]) -> None:
    carry = with_owed(sorted(left), wrong)
    assert owed(carry) == tuple(sorted(set(wrong)))
    assert with_owed(carry, wrong) == carry
    assert {each for each in carry if each > 0} == left


def test_no_selection_takes_a_correction_for_an_article() -> None:
    offer = Offer([outline(3), outline(7)])
    standing = Standing(cursor=7, first=False, topics={"*": 0}, carry=(-3,))
    assert not choose(offer, standing, Digest(), now=NOW).wanted
