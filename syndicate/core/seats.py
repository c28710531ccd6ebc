"""Who may have how many of the connections that several processes want."""

from __future__ import annotations

from collections.abc import Mapping


def share(wanted: Mapping[str, int], most: int) -> dict[str, int]:
    """Deal ``most`` out one by one to those who want more, by name; nobody gets more than it wants."""
    found = dict.fromkeys(wanted, 0)
    left = most
    while left and (hungry := [name for name in sorted(wanted) if found[name] < wanted[name]]):
        # All rounds at once in which everybody gets one.
        rounds = max(1, min(left // len(hungry), *(wanted[name] - found[name] for name in hungry)))
        for name in hungry[:left]:
            found[name] += rounds
            left -= rounds
    return found
