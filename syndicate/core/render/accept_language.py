"""Which of some languages a browser wants most (Accept-Language, RFC 9110 12.5.4, looked up as RFC 4647 3.4 does)."""

from __future__ import annotations

from collections.abc import Collection

_MOST = 20  # ranges that are looked at; browsers send a handful


def preferred(header: str, tags: Collection[str]) -> str | None:
    """The first of ``tags`` (lower case) in the order of the header's weights; None when it wants none of them."""
    wanted: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST]:
        name, _, parameters = part.partition(";")
        weight = _weight(parameters)
        if weight > 0:
            wanted.append((-weight, name.strip().lower()))
    for _, name in sorted(wanted, key=lambda each: each[0]):
        parts = name.split("-")
        for length in range(len(parts), 0, -1):
            if (tag := "-".join(parts[:length])) in tags:
                return tag
    return None


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0 <= weight <= 1 else 0.0
