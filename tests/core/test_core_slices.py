from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.slices import LARGEST, SHARES, SMALLEST, slices


@given(first=st.integers(1, 10**9), recipients=st.integers(1, 60_000), others=st.integers(0, 30_000))
def test_slices_cover_every_id_once_and_in_order(first: int, recipients: int, others: int) -> None:
    last = first + recipients + others - 1
    found = list(slices(first, last, recipients=recipients))
    assert found[0][0] == first
    assert found[-1][1] == last
    assert all(low == before + 1 for (_, before), (low, _) in pairwise(found))
    sizes = {high - low + 1 for low, high in found[:-1]}
    assert len(sizes) <= 1
    assert all(SMALLEST <= size <= LARGEST for size in sizes)
    assert found[-1][1] - found[-1][0] < LARGEST


def test_a_small_issue_is_one_slice_and_a_larger_one_has_some_for_every_worker() -> None:
    assert list(slices(7, 206, recipients=200)) == [(7, 206)]
    assert len(list(slices(1, 20_000, recipients=20_000))) == SHARES
    assert len(list(slices(1, 1_000_000, recipients=1_000_000))) == 500
