"""Corrections: who is owed word that an article says something else than what they got.

What is owed stands in a subscription's ``carry`` beside what was left over, as the article's id below zero: so readers
who are owed the same stay one cohort, and the freeze that gives it takes it off in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from syndicate.core.selection import Choice, Offer, Standing, readable

MOST = 20  # in one issue; what is owed beyond waits for the next


def owed(carry: Iterable[int]) -> tuple[int, ...]:
    """The articles of which a correction is owed."""
    return tuple(sorted(-each for each in carry if each < 0))


def with_owed(carry: Sequence[int], article_ids: Iterable[int]) -> tuple[int, ...]:
    """The same with corrections of these articles owed, too; each once."""
    return tuple(sorted({*carry, *(-each for each in article_ids)}))


def corrections(
    offer: Offer, standing: Standing, choice: Choice, *, now: datetime
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The corrections that go with a choice, by article, in order of their numbers; and the ``carry`` it leaves.

    None without an article: a correction alone makes no issue and waits for the next. An article that the issue itself
    holds, that the reader has still to get, or that may not be shown any more, is owed no longer.
    """
    if not choice.wanted:
        return (), with_owed(choice.left_over, owed(standing.carry))
    there = {outline.id for outline in (*choice.articles, *choice.headlines)} | set(choice.left_over)
    found = [
        outline for outline in offer.find(owed(standing.carry)) if outline.id not in there and readable(outline, now)
    ]
    found.sort(key=lambda outline: outline.seq)
    given = tuple(outline.id for outline in found[:MOST])
    return given, with_owed(choice.left_over, (outline.id for outline in found[MOST:]))
