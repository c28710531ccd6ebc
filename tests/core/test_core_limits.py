from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.limits import (
    CLEAN,
    DAY,
    HORIZON,
    Limit,
    Usage,
    burst,
    factor_at,
    grant,
    interval,
    most,
    next_at,
    refund,
    spend,
)
from syndicate.model import Rate

NOW = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

RATES = st.builds(Rate, st.integers(1, 300), st.sampled_from([SECOND, 10 * SECOND, MINUTE, HOUR, DAY]))
# Questions as they come: long after the last one, soon after it, or at the same moment; for few or many.
QUESTIONS = st.lists(st.tuples(st.floats(0, 1.2) | st.floats(0, 0.01), st.integers(1, 500)), min_size=1, max_size=60)


def worst_window(went: list[tuple[datetime, int]], period: timedelta) -> int:
    """The most that went in any half-open time of that length."""
    return max(
        (sum(count for at, count in went if start <= at < start + period) for start, _ in went),
        default=0,
    )


@given(RATES, QUESTIONS, st.sampled_from([1.0, 0.5, 1 / 16]))
def test_no_window_of_the_period_holds_more_than_the_rate(
    rate: Rate, questions: list[tuple[float, int]], factor: float
) -> None:
    limit, usage, now = Limit(rate=rate), Usage(), NOW
    went = []
    for pause, asking in questions:
        now += rate.period * pause
        usage = Usage(
            arrival_at=usage.arrival_at, turn_at=usage.turn_at, factor=factor, pressed_at=now if factor < 1 else None
        )
        given_ = grant(limit, usage, asking=asking, now=now)
        usage = given_.usage
        went.append((now, given_.count))
    assert worst_window(went, rate.period) <= rate.count
    assert worst_window(went, rate.period / factor) <= rate.count
    assert worst_window(went, timedelta(microseconds=1)) <= burst(rate)


@given(RATES)
def test_who_asks_when_it_is_time_gets_nearly_the_rate(rate: Rate) -> None:
    limit, usage, now, went = Limit(rate=rate), Usage(), NOW, 0
    while went < 2 * rate.count:
        given_ = grant(limit, usage, asking=2, now=now)
        assert given_.count > 0  # it was its time
        usage, went = given_.usage, went + given_.count
        now = next_at(limit, usage, now)
    assert now - NOW <= 2 * rate.period / 0.94 + 2 * interval(rate)


@given(RATES, QUESTIONS)
def test_the_others_have_their_turn_later_and_within_the_horizon(
    rate: Rate, questions: list[tuple[float, int]]
) -> None:
    limit, usage, now = Limit(rate=rate), Usage(), NOW
    for pause, asking in questions:
        now += rate.period * pause
        given_ = grant(limit, usage, asking=asking, now=now)
        assert given_.count + len(given_.turns) == asking
        assert all(turn > now for turn in given_.turns)
        first = next_at(limit, given_.usage, now)
        assert all(first <= turn <= first + max(HORIZON, interval(rate)) for turn in given_.turns)
        usage = given_.usage


def test_turns_follow_each_other_at_the_pace_and_are_kept_when_it_is_their_time() -> None:
    rate = Rate(100, MINUTE)
    limit = Limit(rate=rate)
    first = grant(limit, Usage(), asking=30, now=NOW)
    second = grant(limit, first.usage, asking=30, now=NOW)
    assert (first.count, second.count) == (burst(rate), 0) == (1, 0)
    turns = [*first.turns, *second.turns]
    assert [later - earlier for earlier, later in pairwise(turns)] == [interval(rate)] * 58
    usage = second.usage
    for turn in turns:
        asked = grant(limit, usage, asking=1, now=turn)
        assert asked.count == 1
        usage = asked.usage


def test_after_a_pause_of_the_issue_nothing_bursts() -> None:
    rate = Rate(6000, MINUTE)
    waited = grant(Limit(rate=rate), Usage(), asking=5000, now=NOW)
    after = grant(Limit(rate=rate), waited.usage, asking=5000, now=NOW + HOUR)
    assert after.count == burst(rate) == 100


def test_a_million_who_wait_are_spread_over_the_horizon() -> None:
    limit, usage = Limit(rate=Rate(100, MINUTE)), Usage()
    turns: list[datetime] = []
    for _ in range(40):
        given_ = grant(limit, usage, asking=200, now=NOW)
        usage = given_.usage
        turns += given_.turns
    minutes = [sum(NOW + n * MINUTE <= turn < NOW + (n + 1) * MINUTE for turn in turns) for n in range(10)]
    assert max(minutes) - min(minutes) <= 120  # a round and a bit
    assert max(turns) <= NOW + HORIZON + 2 * SECOND


@given(st.integers(1, 50), st.integers(0, 50))
def test_what_there_is_no_room_for_is_neither_spent_nor_put_off(asking: int, room: int) -> None:
    limit = Limit(rate=Rate(600, MINUTE))
    given_ = grant(limit, Usage(), asking=asking, room=room, now=NOW)
    assert given_.count == min(asking, room, burst(Rate(600, MINUTE)))
    assert len(given_.turns) == max(0, asking - burst(Rate(600, MINUTE)))
    assert given_.usage.arrival_at == (NOW + given_.count * interval(Rate(600, MINUTE)) if given_.count else None)


@given(st.integers(1, 50), st.integers(0, 60), st.integers(1, 200))
def test_no_more_are_on_their_way_than_connections(connections: int, busy: int, asking: int) -> None:
    given_ = grant(Limit(connections=connections), Usage(), asking=asking, busy=busy, now=NOW)
    assert given_.count == max(0, min(asking, connections - busy))
    assert len(given_.turns) == asking - given_.count


@pytest.mark.parametrize("took", [timedelta(milliseconds=5), timedelta(milliseconds=50), timedelta(milliseconds=500)])
def test_turns_come_about_as_fast_as_connections_become_free(took: timedelta) -> None:
    """Two connections, 400 who wait, a server that takes a while for each: it is kept busy, whatever its pace."""
    limit, usage, now = Limit(connections=2), Usage(), NOW
    waiting = [NOW] * 400
    on_their_way: list[datetime] = []
    questions = 0
    while waiting:
        now = max(now, min(waiting))
        on_their_way = [end for end in on_their_way if end > now]
        due = [turn for turn in waiting if turn <= now][:20]
        waiting = sorted(turn for turn in waiting if turn > now) + [turn for turn in waiting if turn <= now][20:]
        given_ = grant(limit, usage, asking=len(due), busy=len(on_their_way), now=now)
        usage, questions = given_.usage, questions + 1
        on_their_way += [now + took] * given_.count
        waiting += given_.turns
        now += timedelta(milliseconds=1)
    at_best = 200 * took
    assert now - NOW < 2 * at_best + 2 * SECOND
    assert questions < 400 * 12


def test_a_pause_lets_nothing_go_and_gives_turns_after_it() -> None:
    usage = Usage(paused_until=NOW + MINUTE)
    given_ = grant(Limit(), usage, asking=5, now=NOW)
    assert given_.count == 0
    assert min(given_.turns) == NOW + MINUTE
    assert grant(Limit(), given_.usage, asking=5, now=NOW + MINUTE).count == 5


def test_without_any_limit_all_go() -> None:
    assert most(Limit(), Usage(), now=NOW) is None
    assert grant(Limit(), Usage(), asking=7, now=NOW).count == 7


WARM_UP = Limit(warm_up=(200, 500))


def test_a_warm_up_counts_days_from_the_first_message_and_ends_with_its_list() -> None:
    assert most(WARM_UP, Usage(), now=NOW) == 200
    usage = spend(WARM_UP, Usage(), 150, NOW)
    assert most(WARM_UP, usage, now=NOW + 23 * HOUR) == 50
    usage = spend(WARM_UP, usage, 50, NOW + 23 * HOUR)
    assert most(WARM_UP, usage, now=NOW + 23 * HOUR) == 0
    assert next_at(WARM_UP, usage, NOW + 23 * HOUR) == NOW + DAY
    assert most(WARM_UP, usage, now=NOW + DAY) == 500
    usage = spend(WARM_UP, usage, 500, NOW + DAY)
    assert most(WARM_UP, usage, now=NOW + DAY + HOUR) == 0
    assert most(WARM_UP, usage, now=NOW + 2 * DAY) is None
    assert next_at(WARM_UP, usage, NOW + 2 * DAY) == NOW + 2 * DAY


def test_a_relay_that_took_nothing_has_not_begun_its_first_day() -> None:
    usage = refund(spend(WARM_UP, Usage(), 40, NOW), 40)
    assert most(WARM_UP, usage, now=NOW + 3 * DAY) == 200
    usage = spend(WARM_UP, usage, 10, NOW + 3 * DAY)
    assert most(WARM_UP, refund(usage, 4), now=NOW + 3 * DAY) == 194
    assert refund(spend(WARM_UP, usage, 5, NOW + 4 * DAY), 5).first_at == NOW + 3 * DAY


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), max_size=40), st.lists(st.integers(0, 500), max_size=5)
)
def test_no_day_of_a_warm_up_has_more_than_its_number(questions: list[tuple[int, int]], plan: list[int]) -> None:
    limit, usage, now = Limit(warm_up=tuple(plan)), Usage(), NOW
    days: dict[int, int] = {}
    for hours, asking in questions:
        now += hours * HOUR
        given_ = grant(limit, usage, asking=asking, now=now)
        usage = given_.usage
        if usage.first_at is not None:
            day = (now - usage.first_at) // DAY
            days[day] = days.get(day, 0) + given_.count
    assert all(days.get(day, 0) <= number for day, number in enumerate(plan))


def test_a_tightened_limit_widens_by_a_tenth_a_minute_up_to_what_is_set() -> None:
    usage = Usage(factor=0.5, pressed_at=NOW)
    assert factor_at(usage, NOW + CLEAN / 2) == 0.5
    assert factor_at(usage, NOW + CLEAN) == pytest.approx(0.55)
    assert factor_at(usage, NOW + 7 * CLEAN) == pytest.approx(0.974, abs=1e-3)
    assert factor_at(usage, NOW + 8 * CLEAN) == 1
    assert most(Limit(connections=10), usage, now=NOW) == 5
    assert interval(Rate(10, MINUTE), 0.5) == 2 * interval(Rate(10, MINUTE))
