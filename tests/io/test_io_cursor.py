from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.io.cursor import Progress, decode, encode

OVERLAP = timedelta(minutes=5)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        2**70,
        "2026-11-22 08:00:00",
        0.1,
        datetime.fromisoformat("2026-11-22T08:00:00.123456"),
        datetime(2026, 11, 22, 8, tzinfo=UTC),
        date(2026, 11, 22),
        time(8, 0),
        Decimal("12.340"),
        UUID(int=7),
        b"\x00\xff",
    ],
)
def test_values_keep_their_type_through_json(value: Any) -> None:
    back = decode(json.loads(json.dumps(encode(value))))
    assert (type(back), back) == (type(value), value)


def test_a_type_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        encode([1])


def reading(state: Any, values: list[Any], now: datetime) -> Progress:
    progress = Progress(OVERLAP, json.loads(json.dumps(state)) if state else None)
    for value in values:
        progress.saw(value, now)
    progress.finish(now)
    return progress


def test_a_counter_is_settled_by_a_reading_after_the_overlap() -> None:
    first = reading(None, [1, 2, 3], NOW)
    assert first.settled is None
    early = reading(first.state(), [1, 2, 3], NOW + timedelta(minutes=4))
    assert early.settled is None
    ripe = reading(early.state(), [1, 2, 3, 4], NOW + timedelta(minutes=5))
    assert ripe.settled == 3
    last = reading(ripe.state(), [3, 4], NOW + timedelta(minutes=10))
    assert last.settled == 4
    assert reading(last.state(), [], NOW + timedelta(minutes=20)).settled == 4


def test_times_older_than_the_overlap_are_settled_at_once() -> None:
    values = [(NOW - timedelta(minutes=1000 - n)).isoformat(" ") for n in range(1000)]
    first = reading(None, values, NOW)
    assert values[-100] < first.settled <= values[-6]


def test_a_row_dated_far_ahead_does_not_make_everything_else_old() -> None:
    values = [NOW - timedelta(seconds=300 - n) for n in range(300)]
    progress = reading(None, [*values, datetime(2099, 1, 1, tzinfo=UTC)], NOW)
    assert progress.settled is None or progress.settled <= NOW - OVERLAP


@pytest.mark.parametrize(
    ("past", "ahead"),
    [
        (NOW - timedelta(minutes=9), datetime(2099, 1, 1, tzinfo=UTC)),
        ("2026-11-22 07:51:00", "2099-01-01 00:00:00"),
        (date(2026, 11, 20), date(2099, 1, 1)),
        ("2026-11-20", "2099-01-01"),
        (1_795_000_000, 4_070_908_800),
        (1_600_000_000_000, 4_070_908_800_000),
        (Decimal(1_600_000_000), Decimal(4_070_908_800)),
    ],
)
def test_a_time_that_has_not_come_is_never_settled(past: Any, ahead: Any) -> None:
    state: Any = None
    for minute in (0, 6, 12, 18):
        progress = reading(state, [past, ahead], NOW + timedelta(minutes=minute))
        state = progress.state()
        assert progress.settled in (None, past)
    assert progress.settled == past


def test_only_what_no_time_zone_explains_is_told() -> None:
    progress = Progress(OVERLAP)
    assert not progress.saw("2026-11-22 21:00:00", NOW)
    assert progress.saw("2026-11-24 21:00:00", NOW)
    assert not progress.saw(4_000_000_000, NOW)


def test_bare_dates_are_no_times() -> None:
    assert reading(None, ["2026-11-01"] * 100 + ["2026-11-22"] * 100, NOW).settled is None


def test_numbers_far_from_now_are_counters() -> None:
    assert reading(None, list(range(1_500_000_000, 1_500_002_000)), NOW).settled is None
    seconds = int(NOW.timestamp())
    assert reading(None, list(range(seconds - 2000, seconds)), NOW).settled is not None
    assert reading(None, [n * 1000 for n in range(seconds - 2000, seconds)], NOW).settled is not None


def test_a_table_that_changes_each_second_needs_few_marks() -> None:
    state: Any = None
    for second in range(900):
        progress = reading(state, list(range(max(0, second - 400), second + 1)), NOW + timedelta(seconds=second))
        state = progress.state()
        assert len(state["marks"]) <= 10
    assert progress.settled >= 900 - 300 - 60


# Transactions of theirs: when each begins (and takes its value) and how long until its rows show; and when we read.
TRANSACTIONS = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 299)), max_size=25)
POLLS = st.lists(st.integers(0, 4000), min_size=1, max_size=25)


@given(TRANSACTIONS, POLLS, st.sampled_from(["counter", "datetime", "text", "epoch"]))
def test_no_late_commit_is_missed(transactions: list[tuple[int, int]], polls: list[int], kind: str) -> None:
    begins = sorted(begin for begin, _ in transactions)
    counter = {begin: index for index, begin in enumerate(dict.fromkeys(begins))}

    def value(begin: int) -> Any:
        at = NOW + timedelta(seconds=begin)
        return {
            "counter": counter[begin],
            "datetime": at,
            "text": at.isoformat(" "),
            "epoch": int(at.timestamp()),
        }[kind]

    seen: set[int] = set()
    state: Any = None
    for second in [*sorted(polls), 10_000]:
        progress = Progress(OVERLAP, json.loads(json.dumps(state)) if state else None)
        visible = [
            (value(begin), number)
            for number, (begin, lasts) in enumerate(transactions)
            if begin + lasts <= second and (progress.settled is None or value(begin) >= progress.settled)
        ]
        for found, number in sorted(visible):
            progress.saw(found, NOW + timedelta(seconds=second))
            seen.add(number)
        progress.finish(NOW + timedelta(seconds=second))
        state = progress.state()
    assert seen == set(range(len(transactions)))
