"""Windows by count, age and size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from feed_articles import article, feed_settings
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.feeds import WRITERS, feed_document
from syndicate.core.feeds.entries import FeedEntry
from syndicate.core.feeds.window import MOST_TIMES, fit, in_window, weight

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def entries(*bodies: str) -> tuple[FeedEntry, ...]:
    made = [article(number + 1, html=f"<p>{body}</p>", summary="Short.") for number, body in enumerate(bodies)]
    document, problems = feed_document(feed_settings(), "all", made)
    assert not problems
    return document.entries


@given(
    ages=st.lists(st.integers(0, 60), max_size=40).map(sorted),
    max_items=st.integers(1, 12),
    max_days=st.none() | st.integers(1, 40),
)
def test_a_window_is_what_its_definition_says(ages: list[int], max_items: int, max_days: int | None) -> None:
    published = [NOW - age * DAY for age in ages]
    max_age = max_days * DAY if max_days else None
    count, due_at = in_window(published, NOW, max_items=max_items, max_age=max_age)
    expected = [
        place for place, age in enumerate(ages[: max_items * MOST_TIMES]) if place < max_items or age < (max_days or 0)
    ]
    assert count == len(expected)
    if due_at is not None:
        # nothing happens before, and at that time something does
        assert in_window(published, due_at - timedelta(seconds=1), max_items=max_items, max_age=max_age)[0] == count
        assert in_window(published, due_at, max_items=max_items, max_age=max_age)[0] < count
    else:
        assert in_window(published, NOW + 1000 * DAY, max_items=max_items, max_age=max_age)[0] == count


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=20), st.integers(10_000, 60_000))
def test_documents_are_about_as_large_as_they_may_be(sizes: list[int], max_size: int) -> None:
    all_of_them = entries(*("<&x" * (size // 3) for size in sizes))
    kept = fit(all_of_them, max_size)
    assert [entry.id for entry in kept] == [entry.id for entry in all_of_them[: len(kept)]]
    if len(kept) < len(all_of_them):
        assert sum(map(weight, kept)) + weight(all_of_them[len(kept)]) > max_size
    document, _ = feed_document(feed_settings(), "all", [article(1)])
    for write in WRITERS.values():
        assert len(write(replace(document, entries=kept))) <= max_size * 1.3 + 3000


def test_one_enormous_article_is_summarised_and_pushes_nothing_out() -> None:
    small, large = "x" * 100, "y" * 10_000_000
    kept = fit(entries(small, large, small), 500_000)
    assert [bool(entry.html) for entry in kept] == [True, False, True]
    assert kept[1].summary == "Short."
    assert sum(map(weight, kept)) < 5000


def test_ten_thousand_categories_make_no_enormous_document() -> None:
    made = article(1, tags=tuple(f"tag number {number} of very many" for number in range(10_000)))
    document, _ = feed_document(feed_settings(), "all", [made])
    (kept,) = fit(document.entries, 100_000)
    assert weight(kept) <= 100_000
    assert 100 < len(kept.categories) < 10_000
