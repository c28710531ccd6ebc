from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.errors import ArticleError
from syndicate.io.front_matter import split_front_matter


@pytest.mark.parametrize(
    ("text", "fields", "body"),
    [
        (
            "---\ntitle: T\ndate: 2026-11-22\n---\nBody\n\n---\nmore\n",
            {"title": "T", "date": date(2026, 11, 22)},
            "Body\n\n---\nmore",
        ),
        ("---\r\ntitle: T\r\n---\r\nBody", {"title": "T"}, "Body"),
        ("No front matter\n\n---\n", {}, "No front matter\n\n---"),
        ("---\n---\nBody", {}, "Body"),
        ("---\ntitle: bell\x07\n---\nBody", {"title": "bell"}, "Body"),
        ("---\ntitle: R&D *and* more\n---\n", {"title": "R&D *and* more"}, ""),
        ("", {}, ""),
        (
            '+++\ntitle = "T"\ndate = 2026-11-22\n+++\nBody +++\n',
            {"title": "T", "date": date(2026, 11, 22)},
            "Body +++",
        ),
        ('+++\r\ntitle = "T"\r\n[params]\nx = 1\n+++\r\nBody', {"title": "T", "params": {"x": 1}}, "Body"),
        ("+++\n+++\nBody", {}, "Body"),
        ("+++ plus\n", {}, "+++ plus"),
        ('{\n  "title": "T",\n  "tags": ["a", "b"]\n}\n\nBody {x}', {"title": "T", "tags": ["a", "b"]}, "Body {x}"),
        ('{"title": "T"}\nBody', {"title": "T"}, "Body"),
        ("{% raw %} text", {}, "{% raw %} text"),
    ],
)
def test_split(text: str, fields: dict[str, object], body: str) -> None:
    found, rest = split_front_matter(text)
    assert found == fields
    assert rest.strip() == body


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: T\n", 'begun in line 1, has no end: a line "---" must close it'),
        ("---\ntitle: T\ntags:\n  - a\n\nBody\n", "it seems in line 5"),
        ('+++\ntitle = "T"\n\nBody\n', r'a line "\+\+\+" must close it, it seems in line 3'),
        ('{\n"title": "T",\n', 'its last "}" must close it'),
        ('+++\ntitle = "T"\nbad\n+++\n', "no TOML: .*line 3"),
        ("+++\nd = 2026-13-45\n+++\n", "no TOML"),
        ("+++\na = " + "[" * 30_000 + "\n+++\n", "no TOML"),
        ("+++\n" + "a." * 20_000 + "b = 1\n+++\n", "nested too deeply"),
        ("+++\n" + '"a b" . ' * 8_000 + "b = 1\n+++\n", "nested too deeply"),
        ("+++\nx = '" + "y" * 70_000 + "'\n+++\n", "within 64 KB"),
        ('{"title": "T",\n "x": y}\nBody', "no JSON, line 2"),
        ('{"x": ' + "[" * 30_000 + "1]}\nBody", "no JSON"),
        ('{"x": "' + "y" * 70_000 + '"}', "within 64 KB"),
        ("---\ntitle: [x\n---\n", "no YAML, line 3"),
        ("---\nfoo: bar\nbad\n  x: y: z\n---\n", "no YAML, line 4"),
        ("---\n- a\n---\n", "must be lines of"),
        ("---\ndate: 2026-13-45\n---\n", "month must be in 1..12"),
        ("---\nt: &a [1]\nu: *a\n---\n", r"uses a YAML alias \(\*a\)"),
        ("---\na: &a {x: 1}\nb: {<<: [*a, *a]}\n---\n", "alias"),
        ("---\n" + "[" * 30_000 + "\n---\n", "nested too deeply"),
        ("---\n" + "- " * 20_000 + "x\n---\n", "nested too deeply"),
        ("---\n" + "".join(" " * n + "a:\n" for n in range(200)) + "---\n", "nested too deeply"),
        ("---\nx: " + "y" * 70_000 + "\n---\n", "within 64 KB"),
        ("---\nx: " + "y" * 66_000 + "\n---\n", "66,00. characters"),
        ("---\nx: !!python/object/apply:os.system [x]\n---\n", "no YAML"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ArticleError, match=message):
        split_front_matter(text)


@given(
    st.one_of(
        st.text(st.characters()),
        st.text("---\n: []{}&*!|>'\"#ab1%@`?,<").map("---\n{}\n---\nbody".format),
        st.text("=\n: []{}'\"#ab1.,").map("+++\n{}\n+++\nbody".format),
        st.text('\n: []{}"ab1.,').map('{{"a":{}'.format),
    )
)
def test_any_text_gives_fields_or_an_error(text: str) -> None:
    try:
        fields, body = split_front_matter(text)
    except ArticleError as error:
        message, fields, body = str(error), {}, ""
    else:
        message = ""
    assert "\n" not in message
    assert isinstance(fields, dict)
    assert isinstance(body, str)


def test_the_samples_can_be_read() -> None:
    paths = sorted(Path(__file__).parents[2].glob("examples/articles/**/hc-*"))
    assert len(paths) >= 24
    for path in paths:
        fields, body = split_front_matter(path.read_text(encoding="utf-8"))
        assert fields["title"]
        assert body
