from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.text import ELLIPSIS, clean_line, clean_text, cut_text, fold
from syndicate.core.render.graphemes import graphemes

ANY_TEXT = st.text(st.characters())  # surrogates too
# XML 1.0, production [2] Char.
XML_CHARACTERS = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


@given(ANY_TEXT)
def test_clean_text_holds_only_what_xml_allows_and_cleans_once(text: str) -> None:
    clean = clean_text(text)
    assert XML_CHARACTERS.fullmatch(clean)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in clean if character not in "\t\n")
    assert clean_text(clean) == clean


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
def test_clean_text_leaves_ordinary_text_alone(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Ferry\n\t returns ", "Ferry returns"),
        ("AT&T <em>vs</em> “R&D”", "AT&T <em>vs</em> “R&D”"),
        ("How to write &amp;", "How to write &amp;"),
        ("bell\x07 and \x00null\ufffe", "bell and null"),
        ("evil\u202etxt.exe\u2066", "eviltxt.exe"),
        ("Mo\u0308wen", "Möwen"),
        ("Vraiment\u00a0?", "Vraiment\u00a0?"),
        ("a ]]> b", "a ]]> b"),
        ("line\u2028break", "line break"),
    ],
)
def test_clean_line(text: str, line: str) -> None:
    assert clean_line(text) == line


@given(ANY_TEXT)
def test_clean_line_is_one_line_and_cleans_once(text: str) -> None:
    line = clean_line(text)
    assert "\n" not in line
    assert line == line.strip()
    assert clean_line(line) == line


def test_terms_are_compared_without_case() -> None:
    assert fold("STRASSE ") == fold("straße")
    assert fold("Mo\u0308we") == fold("MÖWE")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("Short.", 20, "Short."),
        ("One sentence here. Another one that is long.", 25, "One sentence here."),
        ("Is it? She said “yes!” And then they left the harbour", 30, "Is it? She said “yes!”"),
        ("no sentence end in this line of words", 20, "no sentence end in…"),
        ("version 3.14159 is a number, not a sentence", 24, "version 3.14159 is a…"),
        ("汐鳴の大漁旗が届いた。十二月六日まで展示する。見る人が多い。", 16, "汐鳴の大漁旗が届いた。"),
        ("漢字" * 20, 11, "漢字" * 5 + "…"),
        ("สวัสดีครับ" * 5, 8, "สวัสดีค…"),
    ],
)
def test_cut_text(text: str, limit: int, expected: str) -> None:
    assert cut_text(text, limit) == expected


CLUSTERS = st.sampled_from(
    [
        "a",
        " ",
        ".",
        "é",
        "e\u0301\u0323",
        "👩‍👩‍👧‍👦",
        "🇬🇧",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "👍🏽",
        "한",
        "漢",
        "क्",
        "。",
    ]
)


@given(st.lists(CLUSTERS, max_size=80).map("".join), st.integers(2, 60))
def test_a_cut_never_tears_a_character_and_keeps_the_limit(text: str, limit: int) -> None:
    short = cut_text(text, limit)
    assert len(short) <= max(limit, 0) or short == text
    if short == text:
        return
    kept = short.removesuffix(ELLIPSIS)
    assert text.startswith(kept)
    boundaries = {0}
    position = 0
    for cluster in graphemes(text):
        position += len(cluster)
        boundaries.add(position)
    assert len(kept) in boundaries


def test_a_cluster_longer_than_the_limit_does_not_hang() -> None:
    assert cut_text("e" + "\u0301" * 100_000, 280) == ELLIPSIS
