from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from syndicate.core.article.change import MAX_SILENT_EDITS, Change, ChangeKind, decide
from syndicate.core.article.identity import content_hash
from syndicate.model import Article, ArticleContent

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTENT = ArticleContent(key="a", title="T", html="<p>x</p>", published_at=NOW - HOUR)


def mirrored(change: Change, seq: int | None = 1) -> Article:
    """The article as the store would hold it after the change."""
    return Article(
        id=1,
        uid="tag:x",
        source="s",
        seq=seq if change.publish or (change.before and change.before.seq) else None,
        version=change.version,
        published_at=change.published_at,
        updated_at=change.updated_at,
        withdrawn_at=change.withdrawn_at,
        content=replace(change.content, withdrawn=change.withdrawn_at is not None),
    )


def step(before: Article | None, content: ArticleContent, now: datetime = NOW) -> Change | None:
    return decide(before, content_hash(before.content) if before else None, content, content_hash(content), now)


def added(content: ArticleContent = CONTENT, now: datetime = NOW) -> Article:
    change = step(None, content, now)
    assert change is not None
    assert change.kind is ChangeKind.ADDED
    return mirrored(change)


def test_a_new_article_is_published_now_or_waits() -> None:
    assert added().seq == 1
    undated = step(None, replace(CONTENT, published_at=None))
    assert undated is not None
    assert (undated.published_at, undated.publish) == (NOW, True)
    assert added(replace(CONTENT, published_at=NOW + HOUR)).seq is None
    withdrawn = step(None, replace(CONTENT, withdrawn=True))
    assert withdrawn is not None
    assert (withdrawn.withdrawn_at, withdrawn.publish) == (NOW, False)


def test_an_edit_date_counts_only_between_publication_and_now() -> None:
    for given, expected in ((-2 * HOUR, None), (-HOUR / 2, NOW - HOUR / 2), (HOUR, None)):
        change = step(None, replace(CONTENT, updated_at=NOW + given))
        assert change is not None
        assert change.updated_at == expected


def test_the_same_again_is_nothing() -> None:
    assert step(added(), CONTENT, NOW + HOUR) is None
    assert step(added(), replace(CONTENT, updated_at=NOW, published_at=NOW - 5 * HOUR), NOW) is None


def test_an_edit() -> None:
    before = added()
    change = step(before, replace(CONTENT, title="U", published_at=NOW - 9 * HOUR), NOW + HOUR)
    assert change is not None
    assert (change.kind, change.version, change.updated_at, change.published_at) == (
        ChangeKind.EDITED,
        2,
        NOW + HOUR,
        before.published_at,
    )
    assert not change.publish
    dated = step(before, replace(CONTENT, title="U", updated_at=NOW), NOW + HOUR)
    assert dated is not None
    assert dated.updated_at == NOW
    again = step(mirrored(dated), replace(CONTENT, title="V", updated_at=NOW), NOW + 2 * HOUR)
    assert again is not None
    assert again.updated_at == NOW + 2 * HOUR  # a date that did not move is no date of this edit


def test_counts_are_no_edit() -> None:
    change = step(added(), replace(CONTENT, popularity=5.0))
    assert change is not None
    assert (change.kind, change.version, change.updated_at) == (ChangeKind.TOUCHED, 1, None)


def test_one_that_waits_follows_its_date() -> None:
    before = added(replace(CONTENT, published_at=NOW + HOUR))
    later = step(before, replace(CONTENT, published_at=NOW + 2 * HOUR, title="U"))
    assert later is not None
    assert (later.published_at, later.publish, later.updated_at, later.version) == (NOW + 2 * HOUR, False, None, 2)
    for sooner in (NOW - HOUR, None):
        change = step(before, replace(CONTENT, published_at=sooner))
        assert change is not None
        assert change.publish
        assert change.published_at == (sooner or NOW)


def test_withdrawn_and_back() -> None:
    before = added()
    change = step(before, replace(CONTENT, withdrawn=True, title="Gone"))
    assert change is not None
    assert (change.kind, change.withdrawn_at, change.content.title) == (ChangeKind.WITHDRAWN, NOW, "T")
    gone = mirrored(change)
    assert step(gone, replace(CONTENT, withdrawn=True), NOW + HOUR) is None
    back = step(gone, CONTENT, NOW + HOUR)
    assert back is not None
    assert (back.kind, back.withdrawn_at, back.version, back.publish) == (ChangeKind.RETURNED, None, 1, False)
    other = step(gone, replace(CONTENT, title="Back"), NOW + HOUR)
    assert other is not None
    assert (other.kind, other.withdrawn_at, other.version) == (ChangeKind.EDITED, None, 2)


def test_withdrawn_before_it_was_seen_gets_its_number_when_it_comes_back() -> None:
    first = step(None, replace(CONTENT, withdrawn=True))
    assert first is not None
    back = step(mirrored(first), CONTENT, NOW + HOUR)
    assert back is not None
    assert back.publish


def test_a_text_that_changes_at_every_poll_stops_making_versions() -> None:
    article = added()
    for number in range(MAX_SILENT_EDITS + 5):
        change = step(article, replace(CONTENT, title=f"It is {number} o'clock"), NOW + number * HOUR)
        assert change is not None
        article = mirrored(change)
    assert article.version == MAX_SILENT_EDITS + 1
    assert article.title == f"It is {MAX_SILENT_EDITS + 4} o'clock"
    real = step(article, replace(CONTENT, title="News", updated_at=NOW + 99 * HOUR), NOW + 100 * HOUR)
    assert real is not None
    assert (real.kind, real.updated_at) == (ChangeKind.EDITED, NOW + 99 * HOUR)
