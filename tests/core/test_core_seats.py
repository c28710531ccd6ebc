from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.seats import share

WANTED = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 50), max_size=8)


@given(WANTED, st.integers(0, 100))
def test_seats_are_dealt_out_evenly_and_all_of_them(wanted: dict[str, int], most: int) -> None:
    found = share(wanted, most)
    assert sum(found.values()) == min(most, sum(wanted.values()))
    assert all(0 <= found[name] <= wanted[name] for name in wanted)
    # Who did not get all that it wants has at most one less than anybody.
    least = [found[name] for name in wanted if found[name] < wanted[name]]
    assert not least or max(found.values()) - min(least) <= 1


def test_two_who_want_all_get_half() -> None:
    assert share({"a": 10, "b": 10}, 10) == {"a": 5, "b": 5}
    assert share({"a": 10, "b": 2}, 10) == {"a": 8, "b": 2}
    assert share({"a": 10, "b": 10, "c": 10}, 10) == {"a": 4, "b": 3, "c": 3}
