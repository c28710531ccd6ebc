"""When an address is suppressed: never for our own fault, never after a success, never too early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.bounces.report import ReturnClass
from syndicate.core.bounces.rules import CameBack, Thresholds, verdict

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
RULES = Thresholds()
HARD, SOFT, BLOCK = ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.BLOCK


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def back(cls: ReturnClass, *days: int) -> list[CameBack]:
    return [CameBack(number, day(number), cls) for number in days]


HISTORIES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(list(ReturnClass))), max_size=30)


def test_one_dead_address_suffices_and_a_complaint_always_does() -> None:
    found = verdict(back(HARD, 1), [], RULES)
    assert found is not None
    assert (found.reason, found.note) == ("hard", "dead address, 1 issue")
    assert verdict(back(HARD, 1), [], Thresholds(hard_count=2)) is None
    twice_of_one = [CameBack(1, day(1), HARD), CameBack(1, day(1), HARD)]
    assert verdict(twice_of_one, [], Thresholds(hard_count=2)) is None
    complaint = verdict(back(ReturnClass.COMPLAINT, 1), [day(2)], Thresholds(hard_count=9, soft_count=0))
    assert complaint is not None
    assert complaint.reason == "complaint"


@pytest.mark.parametrize(
    ("days", "arrived", "suppressed"),
    [
        ([1, 4, 8, 12, 15], [], True),
        ([1, 4, 8, 12, 14], [], False),  # thirteen days
        ([1, 5, 10, 15], [], False),  # four issues
        ([1, 4, 8, 12, 15], [9], False),  # one arrived in between
        ([1, 4, 8, 12, 15], [0.5], True),  # the success came before them
        ([1, 4, 8, 12, 15], [16], True),  # it may still come back
        ([1, 4, 8, 12, 15, 22, 30], [9], False),  # four issues since
    ],
)
def test_soft_ones_count_in_a_row(days: list[int], arrived: list[float], suppressed: bool) -> None:
    assert (verdict(back(SOFT, *days), [day(each) for each in arrived], RULES) is not None) is suppressed


def test_soft_ones_never_count_where_it_is_set_so() -> None:
    assert verdict(back(SOFT, *range(60)), [], Thresholds(soft_count=0)) is None


@given(HISTORIES, st.lists(st.integers(0, 60)))
def test_our_own_fault_and_automatic_answers_never_count(
    history: list[tuple[int, ReturnClass]], arrived: list[int]
) -> None:
    ours = {BLOCK, ReturnClass.AUTOREPLY, ReturnClass.DELIVERED}
    blocks = [CameBack(number, day(number), cls) for number, cls in history if cls in ours]
    others = [CameBack(number, day(number), cls) for number, cls in history if cls not in ours]
    successes = [day(each) for each in arrived]
    assert verdict(blocks, successes, RULES) is None
    assert verdict(blocks + others, successes, RULES) == verdict(others, successes, RULES)


@given(HISTORIES, st.integers(0, 60))
def test_a_success_never_speaks_against_a_reader(history: list[tuple[int, ReturnClass]], success: int) -> None:
    came_back = [CameBack(number, day(number), cls) for number, cls in history]
    if verdict(came_back, [], RULES) is None:
        assert verdict(came_back, [day(success)], RULES) is None


@given(HISTORIES)
def test_the_order_of_arrival_changes_nothing(history: list[tuple[int, ReturnClass]]) -> None:
    came_back = [CameBack(number, day(number), cls) for number, cls in history]
    assert verdict(came_back[::-1], [], RULES) == verdict(came_back, [], RULES)
