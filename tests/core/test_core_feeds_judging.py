"""What is judged before publication: new entries by all rules, the document as a whole by those that need all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from feed_articles import article, clean_articles, everything, feed_settings
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.feeds import WRITERS, FeedDocument
from syndicate.core.feeds.judging import write_and_judge
from syndicate.model import Article, FeedFormat

SETTINGS = feed_settings()


def document(*found: Article) -> FeedDocument:
    return everything(SETTINGS, list(found))


def faults(judged: FeedDocument, known: set[str] | None = None) -> dict[FeedFormat, list[str]]:
    _contents, found = write_and_judge(judged, FeedFormat, known or ())
    return {form: [finding.rule for finding in findings] for form, findings in found.items()}


@given(clean_articles(), st.data())
def test_what_we_write_is_good_whatever_was_judged_before(found: list[Article], data: st.DataObject) -> None:
    written = everything(SETTINGS, found)
    ids = [entry.id for entry in written.entries]
    known = data.draw(st.sets(st.sampled_from(ids)) if ids else st.just(set()))
    contents, findings = write_and_judge(written, FeedFormat, known)
    assert {form: list(told) for form, told in findings.items()} == {form: [] for form in FeedFormat}
    assert contents == {form: write(written) for form, write in WRITERS.items()}


def test_all_of_the_document_is_judged_though_its_entries_were_before() -> None:
    good = document(article(2), article(1))
    known = {entry.id for entry in good.entries}
    assert faults(good, known) == {form: [] for form in FeedFormat}
    twice = replace(good, entries=(*good.entries, good.entries[-1]))
    assert faults(twice, known) == {form: ["F2"] for form in FeedFormat}
    upside_down = replace(good, entries=good.entries[::-1])
    assert faults(upside_down, known) == {form: ["F4"] for form in FeedFormat}


@pytest.mark.parametrize("form", list(FeedFormat))
@pytest.mark.parametrize("known", [True, False])
def test_a_format_that_holds_other_entries_is_found(
    form: FeedFormat, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    right: Callable[[FeedDocument], bytes] = WRITERS[form]
    fewer = dict(WRITERS) | {form: lambda given: right(replace(given, entries=given.entries[1:]))}
    monkeypatch.setattr("syndicate.core.feeds.judging.WRITERS", fewer)
    good = document(article(2), article(1))
    found = faults(good, {entry.id for entry in good.entries} if known else set())
    assert "F1" in found[form]
