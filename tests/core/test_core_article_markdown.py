from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from syndicate.core.article.markdown import render_markdown
from syndicate.core.article.text import clean_text

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "One “two” & 'three' \"four\"\nnext > line",
            "<p>One “two” &amp; 'three' &quot;four&quot;\nnext &gt; line</p>\n",
        ),
        ("a\n\n\nb", "<p>a</p>\n<p>b</p>\n"),
        ("~~gone~~", "<p><s>gone</s></p>\n"),
        ("a http://x.example b", "<p>a http://x.example b</p>\n"),
        ("<b>html</b>", "<p><b>html</b></p>\n"),
        ("", ""),
    ],
)
def test_markdown(text: str, expected: str) -> None:
    assert render_markdown(text) == expected


PIECES = st.sampled_from(
    [
        "Word", "words and more", " ", "  ", "\n", "\n\n", "\n \n", "\t", "# Head", "> quote", "- item", "* item", "1. one", "2026 was", "---",
        "===", "***", "```", "~~~", "    code", "<div>", "</div>", "<!--", "-->", "[x]", "[x]: /y", "(/z)", "!", "*em*", "_u_", "`c`", "&amp;", "&",
        "<", ">", "|", "| a | b |", "|---|---|", "a | b", "-|-", "\\", '"', "'", "~", "“", "é", "\u00a0", ":", "+", "=", "1)", "    ", "\u2028", "<script>",
    ]
)  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=30).map("".join), st.text(st.characters(exclude_categories=["Cs"]))))
@example("- a\n\n  b\n\nc")
@example("> [x]: /y\n\nsee [x]")
@example("a\nb\n===\n\nc")
@example("> ```\n> x\n\nplain\n\n> ```")
@example("a | b\n-|-\n1 | 2\n\nc")
def test_the_short_way_gives_what_the_parser_gives(text: str) -> None:
    text = clean_text(text)
    assert render_markdown(text) == PARSER.render(text)


def test_the_samples_are_what_the_parser_gives() -> None:
    for path in (Path(__file__).parents[2] / "examples" / "articles").rglob("*.md"):
        text = path.read_text(encoding="utf-8").split("---\n", 2)[2]
        assert render_markdown(text) == PARSER.render(text)
