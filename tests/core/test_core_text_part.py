from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import NONCE

from syndicate.core.render.graphemes import display_width
from syndicate.core.render.slots import marker
from syndicate.core.render.text_part import finish_text, wrap_line

NARROW = st.text(st.characters(categories=["L", "M", "P"], max_codepoint=0x52F), min_size=1, max_size=20)
WIDE = st.text(st.sampled_from("漢字仮名交じり文、。「」ー한글"), min_size=1, max_size=40)


@given(st.lists(NARROW | WIDE, min_size=1, max_size=40))
def test_lines_are_as_wide_as_said_and_nothing_is_lost(words: list[str]) -> None:
    line = " ".join(words)
    lines = wrap_line(line, NONCE, 40)
    assert "".join("".join(lines).split()) == "".join(line.split())
    for wrapped in lines:
        # Wider only where there is no place to break: one narrow word, or punctuation that may not stand alone.
        assert display_width(wrapped) <= 40 or len(wrap_line(wrapped.strip(), NONCE, 40)) == 1


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=12), min_size=1))
def test_words_of_latin_text_are_never_cut(words: list[str]) -> None:
    lines = wrap_line(" ".join(words), NONCE, 30)
    assert " ".join(lines).split() == words
    assert all(len(line) <= 30 for line in lines)


@given(st.text())
def test_the_finished_text_has_no_double_blank_line_and_one_end(text: str) -> None:
    finished = finish_text(text, NONCE)
    assert finished.endswith("\n")
    assert "\n\n\n" not in finished
    assert not re.search(r"(?m)[ \t]$", finished.replace("-- \n", "\n")) or not text.isprintable()


@pytest.mark.parametrize(
    ("line", "wrapped"),
    [
        ("- one two three four", ["- one two", "  three four"]),
        ("1. one two three", ["1. one two", "   three"]),
        ("> one two three four", ["> one two", "> three four"]),
        ("  one two three", ["  one two", "  three"]),
        ("https://courier.example/a/long/address now", ["https://courier.example/a/long/address", "now"]),
        ("港の便り、港の便り", ["港の便り、港", "の便り"]),
        ("港の便り港の「鐘」", ["港の便り港の", "「鐘」"]),
        ("港の便り港の。鐘", ["港の便り港", "の。鐘"]),
        ("short", ["short"]),
    ],
)
def test_hanging_lines_and_japanese_punctuation(line: str, wrapped: list[str]) -> None:
    assert wrap_line(line, NONCE, 12) == wrapped


def test_a_marker_is_never_cut_and_counts_as_its_fallback() -> None:
    name = marker("recipient.name", NONCE, "reader of ours")
    assert wrap_line(f"Good morning, {name}!", NONCE, 30) == [f"Good morning, {name}!"]
    assert wrap_line(f"Good morning, {name}!", NONCE, 20) == ["Good morning,", f"{name}!"]


def test_the_mark_before_the_signature_keeps_its_blank() -> None:
    assert finish_text("Text\n\n\n\n--\nSigned  \n\n", NONCE) == "Text\n\n-- \nSigned\n"
