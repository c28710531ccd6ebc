"""Why deliveries of an issue stand as they do, for people: like reasons together, counted, without addresses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

#: So many of the commonest reasons of a state are told one by one; servers like to put a number of their own in each.
MOST = 10
OTHERS = "other answers"

# Servers repeat the recipient in their answers; told one by one, each recipient would be a reason of their own.
_ADDRESS = re.compile(r"""[^\s<>()"',;:\[\]]+@[^\s<>()"',;:\[\]]+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason that ``count`` deliveries in one state share.

    ``reason`` is ours (hard, soft, unsubscribed…), ``code`` and ``reply`` are the server's (RFC 5321 4.2).
    """

    state: str
    reason: str | None
    code: int | None
    reply: str | None
    count: int


def grouped(reasons: Iterable[Reason]) -> list[Reason]:
    """Put like reasons together, the commonest of each state first; beyond ``MOST`` a state's others are one."""
    counts: Counter[tuple[str, str | None, int | None, str | None]] = Counter()
    for each in reasons:
        counts[each.state, each.reason, each.code, without_addresses(each.reply)] += each.count
    told: list[Reason] = []
    others: Counter[str] = Counter()
    for (state, reason, code, reply), count in counts.most_common():
        if sum(one.state == state for one in told) < MOST:
            told.append(Reason(state=state, reason=reason, code=code, reply=reply, count=count))
        else:
            others[state] += count
    told += [Reason(state=state, reason=None, code=None, reply=OTHERS, count=count) for state, count in others.items()]
    # Sorting is stable: within a state the commonest stay first and its others last.
    return sorted(told, key=lambda each: each.state)


def without_addresses(reply: str | None) -> str | None:
    """A server's answer with each mail address in it put as ``…``."""
    return None if reply is None else _ADDRESS.sub("…", reply)
