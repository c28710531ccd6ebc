"""An editor's changes as rules: nothing is invented, nothing lost but what was dropped, and all can be taken back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.editing import Change, Edits, arrange, changed

ids = st.integers(1, 8)
some = st.lists(ids, max_size=4, unique=True).map(tuple)
changes = st.builds(
    Change,
    subject=st.none() | st.sampled_from(["", "A storm", " two\nlines "]),
    intro=st.none() | st.sampled_from(["", "Hello"]),
    pin=some,
    drop=some,
    restore=some,
    order=st.none() | some,
    reset=st.booleans(),
)


def after(wishes: list[Change]) -> Edits:
    edits = Edits()
    for wish in wishes:
        edits = changed(edits, wish)
    return edits


@given(st.lists(changes, max_size=6), st.lists(ids, max_size=8, unique=True), st.integers(0, 8))
def test_a_layout_holds_what_was_chosen_and_not_dropped_each_once(
    wishes: list[Change], chosen: list[int], whole: int
) -> None:
    edits = after(wishes)
    articles, headlines = arrange(edits, chosen[:whole], chosen[whole:], lambda each: each)
    laid_out = [*articles, *headlines]
    assert sorted(laid_out) == sorted(set(chosen) - set(edits.dropped))
    assert len(articles) == min(len(chosen[:whole]), len(laid_out))
    first = [each for each in edits.pinned if each in laid_out]
    assert laid_out[: len(first)] == first
    rest = [each for each in laid_out if each not in (*edits.pinned, *edits.order)]
    assert rest == [each for each in chosen if each in rest]


@given(st.lists(changes, max_size=6))
def test_no_article_is_pinned_and_dropped_and_the_ledger_keeps_it_all(wishes: list[Change]) -> None:
    edits = after(wishes)
    assert not set(edits.pinned) & set(edits.dropped)
    assert Edits.of(edits.document()) == edits
    assert "\n" not in edits.subject
    assert changed(edits, Change(reset=True)) == Edits()
    everything = Change(subject="", intro="", restore=tuple(range(1, 9)), order=())
    assert changed(edits, everything) == Edits()


def test_what_was_pinned_last_stands_first_and_pinning_brings_back() -> None:
    edits = after([Change(pin=(1,)), Change(drop=(2,)), Change(pin=(2, 3))])
    assert (edits.pinned, edits.dropped) == ((2, 3, 1), ())
