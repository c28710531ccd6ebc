"""What a newly read content means for the article that is there: added, edited, withdrawn … or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from syndicate.core.article.material import is_material
from syndicate.model import Article, ArticleContent

# A page that shows the time, or a counter, is another text at every poll. After so many edits that name no date of
# their own the article is only kept fresh: no further versions, no further "updated".
MAX_SILENT_EDITS = 24
# What can change without making it another text.
_QUIET = ("expires_at", "pinned", "comments", "comments_url", "comments_feed", "popularity", "markdown")


class ChangeKind(StrEnum):
    """What becomes of an article."""

    ADDED = "added"
    EDITED = "edited"  # another text: the old one becomes a version
    TOUCHED = "touched"  # the same text: a count, an expiry, the date of one that still waits
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"  # no longer withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How an article shall be. ``before`` is None for a new one; ``publish`` asks for a sequence number now.

    ``material``: it says something else than the version before (``material.py``).
    """

    kind: ChangeKind
    before: Article | None
    content: ArticleContent
    content_hash: str
    hash_before: str | None
    version: int
    published_at: datetime
    updated_at: datetime | None
    withdrawn_at: datetime | None
    publish: bool
    material: bool = False


def decide(
    before: Article | None, hash_before: str | None, content: ArticleContent, content_hash: str, now: datetime
) -> Change | None:
    """Compare an article as mirrored with its content as read now. None when nothing changes.

    The first publication time stays once a number was given; until then the article's own date is followed.
    """
    if before is None:
        return _added(content, content_hash, now)
    if content.withdrawn:
        if before.withdrawn_at is not None:
            return None
        # The text stays as it was last good: what was withdrawn is not shown, and its edits come with its return.
        return Change(
            kind=ChangeKind.WITHDRAWN,
            before=before,
            content=before.content,
            content_hash=hash_before or content_hash,
            hash_before=hash_before,
            version=before.version,
            published_at=before.published_at,
            updated_at=before.updated_at,
            withdrawn_at=now,
            publish=False,
        )
    published_at = (
        before.published_at if before.seq is not None else content.published_at or min(before.published_at, now)
    )
    edited = content_hash != hash_before
    silent = content.updated_at is None or content.updated_at <= (before.updated_at or before.published_at)
    if edited and silent and before.version > MAX_SILENT_EDITS:
        kind, version = ChangeKind.TOUCHED, before.version
    elif edited:
        kind, version = ChangeKind.EDITED, before.version + 1
    elif before.withdrawn_at is not None:
        kind, version = ChangeKind.RETURNED, before.version
    elif published_at != before.published_at or any(
        getattr(content, name) != getattr(before.content, name) for name in _QUIET
    ):
        kind, version = ChangeKind.TOUCHED, before.version
    else:
        return None
    updated_at = before.updated_at
    if kind is ChangeKind.EDITED and before.seq is not None:
        updated_at = _edited_at(content.updated_at, updated_at or published_at, now)
    return Change(
        kind=kind,
        before=before,
        content=content,
        content_hash=content_hash,
        hash_before=hash_before,
        version=version,
        published_at=published_at,
        updated_at=updated_at,
        withdrawn_at=None,
        publish=before.seq is None and published_at <= now,
        material=kind is ChangeKind.EDITED and before.seq is not None and is_material(before.content, content),
    )


def _added(content: ArticleContent, content_hash: str, now: datetime) -> Change:
    published_at = content.published_at or now
    updated_at = content.updated_at if content.updated_at and published_at < content.updated_at <= now else None
    return Change(
        kind=ChangeKind.ADDED,
        before=None,
        content=content,
        content_hash=content_hash,
        hash_before=None,
        version=1,
        published_at=published_at,
        updated_at=updated_at,
        withdrawn_at=now if content.withdrawn else None,
        publish=not content.withdrawn and published_at <= now,
    )


def _edited_at(given: datetime | None, before: datetime, now: datetime) -> datetime:
    """Choose the time of an edit: the source's own, if it moved forward and has come, else now."""
    return given if given is not None and before < given <= now else now
