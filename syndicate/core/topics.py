"""What a subscription's topics mean, and how they change without repeating or losing an article.

Topics map a case-folded topic (``*`` = everything) to the sequence number after which it counts (design, decision 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

EVERYTHING = "*"


def article_topics(category: str | None, tags: Iterable[str]) -> frozenset[str]:
    """What a reader's topic is compared with: an article's category and tags, case-folded."""
    return frozenset(term.casefold() for term in (*tags, category or "") if term)


def first_topics(chosen: Iterable[str]) -> dict[str, int]:
    """The topics of a new subscription: all count from the beginning (how far back is ``lookback``'s to say)."""
    return dict.fromkeys(folded(chosen), 0)


def folded(chosen: Iterable[str]) -> list[str]:
    """Topics as they are compared; none chosen, or ``*`` among them, means everything."""
    topics = sorted({topic.strip().casefold() for topic in chosen} - {""})
    return [EVERYTHING] if not topics or EVERYTHING in topics else topics


def changed_topics(
    old: Mapping[str, int], chosen: Iterable[str], current_seq: int, *, catch_up: bool = False
) -> dict[str, int]:
    """The topics after a reader chose anew; ``current_seq`` is the highest sequence number given so far.

    An added topic counts from now on, or with ``catch_up`` for all above the cursor. A topic that was covered before,
    by itself or by ``*``, goes on from where it was: nothing already due for it is lost. The cursor prevents repeats.
    """
    wanted = folded(chosen)
    start = 0 if catch_up else current_seq
    if wanted == [EVERYTHING]:
        everything = old.get(EVERYTHING, start)
        # What single topics already had due from before that point stays due: they are kept beside "*".
        kept = {topic: since for topic, since in old.items() if topic != EVERYTHING and since < everything}
        return {**kept, EVERYTHING: everything}
    new = {}
    for topic in wanted:
        covered = [old[name] for name in (topic, EVERYTHING) if name in old]
        new[topic] = min(covered) if covered else start
    return new


def chosen_topics(topics: Mapping[str, int]) -> list[str]:
    """The reader's choice, as shown: ``["*"]`` for everything, else the topics in order."""
    return folded(topics)
