"""Why an article was, or was not, in one reader's issue: the reasons behind ``selection.py``, asked afterwards.

Judged by the evidence of the freeze (the cohort's standing, the edition's articles) and the article as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from syndicate.core.selection import Outline, Standing
from syndicate.core.topics import EVERYTHING


class Fate(StrEnum):
    """What became of an article in an issue."""

    FULL = "full"
    HEADLINE = "headline"
    CORRECTION = "correction"
    DROPPED = "dropped"
    TAKEN_OUT = "taken_out"
    NOT_PUBLISHED = "not_published"
    LATER = "later"
    NOT_OF_DIGEST = "not_of_digest"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CONSIDERED = "considered"
    TOO_OLD = "too_old"
    OTHER_TOPIC = "other_topic"
    TOPIC_LATER = "topic_later"
    OTHER_LANGUAGE = "other_language"
    CARRIED = "carried"
    BEYOND = "beyond_max_items"
    UNKNOWN = "unknown"


WORDS: Mapping[Fate, str] = {
    Fate.FULL: "it was in it",
    Fate.HEADLINE: "it was in it by its headline: it came after max_items, or the mail was shortened to fit",
    Fate.CORRECTION: "it was in it as a correction: it says something else than what this reader had got",
    Fate.DROPPED: "not in it: the editor dropped it from this issue",
    Fate.TAKEN_OUT: "not in it: it was chosen, and withdrawn before this reader's mail left",
    Fate.NOT_PUBLISHED: "not in it: it has no sequence number, so it is not published (yet)",
    Fate.LATER: "not in it: it became publishable after the issue was frozen",
    Fate.NOT_OF_DIGEST: "not in it: the digest does not select it (sources, categories, tags, authors, languages)",
    Fate.WITHDRAWN: "not in it: it had been withdrawn",
    Fate.EXPIRED: "not in it: it had expired",
    Fate.CONSIDERED: "not in it: it was not new, since an earlier issue had considered it for this reader",
    Fate.TOO_OLD: "not in it: it was older than lookback when this reader joined",
    Fate.OTHER_TOPIC: "not in it: it is of no topic that this reader had chosen",
    Fate.TOPIC_LATER: "not in it: the reader added its topic after it was published",
    Fate.OTHER_LANGUAGE: "not in it: it is in another of the digest's languages than this reader's (language_choice)",
    Fate.CARRIED: "not in it: it came after max_items and was kept for the next issue",
    Fate.BEYOND: "not in it: it came after max_items",
    Fate.UNKNOWN: "not in it, though it should have been: it, or the digest's settings, changed since",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What an issue knew of one reader when it was frozen, and what it gave.

    ``articles`` maps the ids of the edition to ``full``, ``headline`` or ``correction``; ``chosen`` were meant for it,
    ``dropped`` are those that the editor took out of the issue.
    """

    standing: Standing
    left_over: Sequence[int]
    articles: Mapping[int, str]
    max_seq: int
    at: datetime
    look_back_to: datetime
    max_items: int
    chosen: Collection[int] = ()
    dropped: Collection[int] = ()


def obstacle(outline: Outline, standing: Standing, *, look_back_to: datetime, now: datetime) -> Fate | None:
    """What kept an article from a standing at ``now``; None when it fitted (as ``selection`` has it)."""
    if outline.withdrawn_at is not None and outline.withdrawn_at <= now:
        return Fate.WITHDRAWN
    if outline.expires_at is not None and outline.expires_at <= now:
        return Fate.EXPIRED
    if outline.id in standing.carry:
        return None
    if outline.seq <= standing.cursor:
        return Fate.CONSIDERED
    if standing.first and outline.seq <= standing.joined_seq and outline.published_at < look_back_to:
        return Fate.TOO_OLD
    if not standing.reads.takes(outline.language):
        return Fate.OTHER_LANGUAGE
    starts = [since for topic, since in standing.topics.items() if topic == EVERYTHING or topic in outline.topics]
    if not starts:
        return Fate.OTHER_TOPIC
    return None if outline.seq > min(starts) else Fate.TOPIC_LATER


def fate(outline: Outline, frozen: Frozen, *, of_digest: bool) -> Fate:
    """What became of a numbered article in an issue; ``of_digest``: the digest's own selection takes it."""
    role = frozen.articles.get(outline.id)
    if role is not None:
        return Fate(role)
    if outline.id in frozen.chosen:
        if outline.id in frozen.dropped:
            return Fate.DROPPED
        return Fate.TAKEN_OUT
    if outline.seq > frozen.max_seq:
        return Fate.LATER
    if not of_digest and outline.id not in frozen.standing.carry:
        return Fate.NOT_OF_DIGEST
    found = obstacle(outline, frozen.standing, look_back_to=frozen.look_back_to, now=frozen.at)
    if found is not None:
        return found
    if outline.id in frozen.left_over:
        return Fate.CARRIED
    # What fitted and is not there had no room, unless there was room: then something changed since.
    whole = sum(each == Fate.FULL for each in frozen.articles.values())
    return Fate.BEYOND if whole >= frozen.max_items else Fate.UNKNOWN
