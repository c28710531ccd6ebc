"""How a range of ids is cut into slices that workers share."""

from __future__ import annotations

from collections.abc import Iterator

# A slice of a large issue. At 5,000 messages a second it lasts 0.4 s, thirty times what claiming it costs.
LARGEST = 2_000
# Below this, claiming costs more than a second worker saves.
SMALLEST = 200
# A smaller issue makes at least so many, so that a few workers come to an end at about the same time.
SHARES = 16


def slices(first: int, last: int, *, recipients: int) -> Iterator[tuple[int, int]]:
    """The ids from ``first`` to ``last`` as ranges, both ends included, in order and without gaps.

    Ids of others may lie between those of ``recipients``; then some slices hold fewer of them, or none.
    """
    size = min(LARGEST, max(SMALLEST, -(-recipients // SHARES)))
    for low in range(first, last + 1, size):
        yield low, min(low + size - 1, last)
