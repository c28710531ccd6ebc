from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.article.nesting import MAX_DEPTH, NestingError, bare_text, bounded, check_depth
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.article.sanitise import sanitise
from syndicate.model import SourceItem


@pytest.mark.parametrize(
    "part",
    [
        "<div>",
        "<table>",
        "<b class=x{n}>",
        "<p><b id={n}></p>",
        "<span><p></span></p>",
        "<form><div></form>",
        "<div><textarea></div></textarea>",
        "<div><table><td></div></table>",
        "<div><!--> </div> -->",
        "<div><select></div></select>",
        "<svg><![CDATA[> </svg> ]]>",
        "<template><div></template>",
        "<ul><li>",
        "<p ",
        "</p",
        "<script",
        "<!--",
    ],
)
def test_no_nest_takes_more_than_linear_time(part: str) -> None:
    body = "".join(part.replace("{n}", str(number)) for number in range(50_000)) + "end"
    start = time.process_time()
    normalise(SourceItem(item="a", stamp="", fields={"title": "T"}, body=body), ArticleDefaults())
    assert time.process_time() - start < 4  # nh3 alone: 9 s for the first of them, 0.1 to 0.8 s now


def test_a_nest_without_end_becomes_plain_text_with_a_remark() -> None:
    remarks: list[str] = []
    item = SourceItem(item="a", stamp="", fields={"title": "T"}, body="<div>" * 50_000 + "A &lt; B<p>C")
    content = normalise(item, ArticleDefaults(), remarks.append)
    assert content.html == "<p>A &lt; B</p>\n<p>C</p>"
    assert remarks == ["its HTML is nested more than 200 levels deep; it was taken as plain text, without its form"]


def test_the_bound_itself_is_taken() -> None:
    for depth in (1, MAX_DEPTH):
        nest = "<div>" * depth + "x" + "</div>" * depth
        assert sanitise(nest, None) == nest
    with pytest.raises(NestingError):
        sanitise("<div>" * (MAX_DEPTH + 1) + "x", None)
    check_depth("<p>x</p><br>" * 1000)


def test_very_many_tags_are_no_nest() -> None:
    rows = "".join(f"<tr><td>{n}</td><td>&amp; <a href='/{n}'>x</a></td></tr>" for n in range(2000))
    table = f"<p>Before</p><table>{rows}</table><p>After</p>"
    assert bounded(table) != table
    made = sanitise(table, "https://courier.example/")
    assert made.count("<tr>") == made.count("<a href=") == 2000
    assert made.startswith("<p>Before</p><table><tbody><tr><td>0</td><td>&amp; <a ")
    assert made.endswith("<p>After</p>")


@given(st.text("<>/!- abpdivscript&;="))
def test_bare_text_has_no_whole_tag(source: str) -> None:
    text = bare_text(source.replace("&", ""))
    assert "<p>" not in text
    assert "<script>" not in text


def test_bare_text_leaves_out_what_is_no_text() -> None:
    assert bare_text("<p>A<script>x</script><b>B</b></p>C<!-- D -->E").split() == ["A", "B", "C", "E"]
