"""Which relay gets the next messages: by weight, among those at work."""

from __future__ import annotations

from collections.abc import Mapping

# So many messages of a relay of weight 1 may one relay be ahead of another that is at work.
SLACK = 4.0


def deal(wants: Mapping[str, int], had: Mapping[str, float], weights: Mapping[str, int]) -> list[str]:
    """The relays in the order in which they get one message each.

    ``wants`` is how many each may and will take now; ``had`` what each relay at work has had, divided by its weight.
    One that wants nothing just now, since it works on what it got, is waited for: others do not run away from it.
    """
    if len(had) == 1:
        return [relay for relay, want in wants.items() for _ in range(want)]
    had, left = dict(had), dict(wants)
    found = []
    while hungry := [relay for relay, want in left.items() if want]:
        relay = min(hungry, key=lambda each: had[each])
        if had[relay] >= min(had.values()) + SLACK:
            break
        found.append(relay)
        left[relay] -= 1
        had[relay] += 1 / weights[relay]
    return found
