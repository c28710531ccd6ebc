from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.shares import SLACK, deal

RELAYS = ["a", "b", "c"]
WEIGHTS = st.fixed_dictionaries({relay: st.integers(1, 20) for relay in RELAYS})


@given(WEIGHTS, st.lists(st.fixed_dictionaries({relay: st.integers(0, 40) for relay in RELAYS}), max_size=20))
def test_nobody_gets_more_than_it_wants_or_runs_away_from_another(
    weights: dict[str, int], rounds: list[dict[str, int]]
) -> None:
    had = dict.fromkeys(RELAYS, 0.0)
    for wants in rounds:
        dealt = Counter(deal(wants, had, weights))
        assert all(dealt[relay] <= wants[relay] for relay in RELAYS)
        had = {relay: had[relay] + dealt[relay] / weights[relay] for relay in RELAYS}
        assert max(had.values()) - min(had.values()) < SLACK + 1 + 1e-6
        # Who has had least gets what it wants.
        least = min(RELAYS, key=lambda relay: had[relay])
        assert dealt[least] == wants[least]


def test_shares_follow_the_weights() -> None:
    dealt = Counter(deal({"a": 1000, "b": 75}, {"a": 0, "b": 0}, {"a": 1, "b": 3}))
    assert (dealt["b"], dealt["a"]) == (75, 29)  # 25, and then as far ahead as one may be


def test_one_relay_gets_all_that_it_wants() -> None:
    assert deal({"a": 40}, {"a": 7.0}, {"a": 1}) == ["a"] * 40


def test_a_busy_relay_is_waited_for() -> None:
    assert deal({"a": 40}, {"a": 8.0, "b": 2.0}, {"a": 1, "b": 1}) == []
