"""The pre-flight: every code can be found, what can be mended is, and editions always fit."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import lxml.html
import pytest
from feed_articles import article
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mail_pages import TEMPLATES as NAMES
from mail_pages import issue
from mail_samples import NONCE, SITE, TEMPLATES, edition, headers, plain, shipped_templates, texts

from syndicate.config.sections import Digest
from syndicate.core.message.digest_message import build_message
from syndicate.core.preflight import CODES, Finding, Flight, Severity, prepare, refuse, repeated_subject
from syndicate.core.preflight.contrast import check_contrast, ratio_of
from syndicate.core.preflight.links import web_links
from syndicate.core.preflight.sizes import CLIP, FITS, LIMITS, REFUSED, check_size, html_size, smaller
from syndicate.core.preflight.texts import check_placeholders
from syndicate.core.render.edition import EditionInput, RenderedEdition, render_edition
from syndicate.core.render.slots import marker
from syndicate.core.render.templates import TemplateSet
from syndicate.errors import PreflightError

UNSUBSCRIBE = marker("unsubscribe_url", NONCE)
FOOT = f'<p>1 Quay Street, Harbourtown <a href="{UNSUBSCRIBE}">Unsubscribe</a></p>'
TEXT = f"A text\n\n1 Quay Street, Harbourtown\n{UNSUBSCRIBE}\n"


def fly(made: EditionInput, templates: TemplateSet | None = None) -> Flight:
    return prepare(
        made,
        lambda wanted: render_edition(templates or shipped_templates(), wanted, NONCE),
        lambda rendered: build_message(rendered, headers()),
    )


def flown(page: str = "", text: str = TEXT, **changed: Any) -> Flight:
    """The flight of a page as if a template had printed it."""
    html = f'<!DOCTYPE html>\n<html lang="en"><head></head><body><h1>A</h1>{page}{FOOT}</body></html>\n'
    made = plain(html=changed.pop("html", html), text=text, **changed)
    return prepare(edition(), lambda _wanted: made, lambda rendered: build_message(rendered, headers()))


def codes(flight: Flight) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity.value) for finding in flight.findings]


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("language", ["en-GB", "ar", "ja"])
def test_the_shipped_templates_have_nothing_to_mend(template: str, language: str) -> None:
    flight = fly(issue(template, language))
    assert [str(finding) for finding in flight.findings] == []
    assert flight.size < 50_000
    # What was not to be mended was not touched.
    assert flight.rendered.html == render_edition(shipped_templates(), issue(template, language), NONCE).html


IMAGE = 'src="https://courier.example/a.png"'
# The page, what is found, and what must (not) stand in it afterwards: "-" before what must not.
PAGES: list[tuple[str, list[tuple[str, str]], list[str]]] = [
    (f'<img {IMAGE} alt="A" width="9">', [], []),
    (f'<img {IMAGE} width="9">', [("image-alt", "repaired")], ['alt=""']),
    (
        f'<a href="https://x.example/a"><img {IMAGE} width="9"></a>',
        [("image-alt", "repaired")],
        ['alt="x.example"'],
    ),
    (f'<img {IMAGE} alt="A">', [("image-size", "repaired")], ["max-width:100%"]),
    (f'<img {IMAGE} alt="" width="1" height="1">', [("tracking-pixel", "warning")], []),
    ('<img src="https://x.example/a.svg" alt="" width="9">', [("image-format", "warning")], []),
    ('<img src="/a.png" alt="" width="9">', [("link-relative", "repaired")], ["https://courier.example/a.png"]),
    ('x<img src="cid:1" alt="A crane">y', [("image-address", "repaired")], ["xA craney", "-<img"]),
    (
        f'<img src="data:image/png;base64,{"A" * 5_000_000}" alt="A wall">',
        [("image-data", "repaired")],
        ["A wall", "-data:"],
    ),
    ('<a href="news/1">a</a>', [("link-relative", "repaired")], ['href="https://courier.example/news/1"']),
    ('<a href="#">a</a>', [("link-empty", "repaired")], ["<a>a</a>"]),
    ('<a href="javascript:alert(1)">a</a>', [("link-empty", "repaired")], ["<a>a</a>"]),
    ('<a href="#b">a</a><p id="b">b</p>', [], ['href="#b"']),
    ('<a href="https://x.example/"></a>', [("link-text", "warning")], []),
    ('<p title="\x07">a\x92&#8;b</p>', [("control-characters", "repaired")], ['<p title="">ab</p>']),
    ("<script>x</script><p>a</p>", [("active-content", "repaired")], ["-script", "<p>a</p>"]),
    ("<form><button>Go</button></form>", [("active-content", "repaired")] * 2, ["-<form", "-<button", "Go"]),
    ('<p onclick="x()">a</p>', [("active-content", "repaired")], ["-onclick"]),
    ("<h3>x</h3>", [("headings", "warning")], []),
    ("<h1>again</h1>", [("headings", "warning")], []),
    ('<p style="color:#999">faint</p>', [("contrast", "warning")], []),
    ('<p style="color:#777; font-size:24px">faint but large</p>', [], []),
    ('<p style="display:none;color:#fff">hidden</p>', [], []),
    ('<table bgcolor="#0b5a78"><tr><td>dark on dark</td></tr></table>', [("contrast", "warning")], []),
    ("<p>Hello {{ name }}</p>", [], []),  # in an article this may be meant; the text part tells
]


@pytest.mark.parametrize(("page", "found", "left"), PAGES)
def test_what_is_found_on_a_page_and_mended(page: str, found: list[tuple[str, str]], left: list[str]) -> None:
    flight = flown(page)
    assert codes(flight) == found
    for piece in left:
        assert (piece[1:] not in flight.rendered.html) if piece[0] == "-" else (piece in flight.rendered.html)
    assert UNSUBSCRIBE in flight.rendered.html
    assert UNSUBSCRIBE.encode() in flight.message


def test_a_mended_page_has_nothing_left_to_mend() -> None:
    every = "".join(page for page, _, _ in PAGES)
    first = flown(every)
    again = flown(html=first.rendered.html)
    assert first.findings
    assert [finding for finding in again.findings if finding.severity is Severity.REPAIRED] == []
    assert again.rendered.html == first.rendered.html


def test_conditional_comments_and_kept_styles_survive_a_repair() -> None:
    templates = TemplateSet(
        texts(digest__magazine_html=texts()["digest/magazine.html"].replace(' alt="{{ article.image_alt }}"', ""))
    )
    flight = fly(edition(), templates)
    assert codes(flight) == [("image-alt", "repaired")]
    assert flight.rendered.html.startswith("<!DOCTYPE html>\n<html")
    for piece in ("<!--[if mso]><table", "<![endif]-->", "@media (prefers-color-scheme: dark)", "[data-ogsc]"):
        assert piece in flight.rendered.html


def test_what_the_parts_must_say() -> None:
    assert codes(flown(text="")) == [
        ("unsubscribe-missing", "error"),
        ("text-empty", "error"),
        ("postal-address", "warning"),
    ]
    assert codes(flown(html='<html lang="en"><body><h1>1 Quay Street, Harbourtown</h1></body></html>')) == [
        ("unsubscribe-missing", "error")
    ]
    assert codes(flown(html=f"<html><body><h1>A</h1>{FOOT}</body></html>")) == [("language", "repaired")]
    assert codes(flown(text=f"<p>a</p>\n{TEXT}")) == [("text-markup", "warning")]
    assert codes(flown(text=f"Hello {{{{ name }}}}\n{TEXT}")) == [("placeholder", "warning")]
    assert codes(flown(subject="Courier", subject_missing=True)) == [("subject-empty", "repaired")]
    assert codes(flown(subject="[TODO] subject")) == [("placeholder", "error")]
    for pretended in ("Re: your boat", "FWD: News", "Aw : Hafen"):
        assert codes(flown(subject=pretended)) == [("subject-reply", "warning")]
    assert codes(flown(subject="Regatta: the results")) == []
    for long in ("x" * 61, "北海の船" * 8, "e\u0301" * 61):
        assert codes(flown(subject=long)) == [("subject-long", "warning")]
    for short in ("x" * 60, "北海の船" * 7, "e\u0301" * 60):
        assert codes(flown(subject=short)) == []
    homeless = edition(site=SITE.model_copy(update={"postal_address": ""}))
    assert codes(fly(homeless)) == [("postal-address", "warning")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The figure is TK.", True),
        ("TK TK", True),
        ("TKTK", True),
        ("Lorem ipsum dolor", True),
        ("Dear {{ name }}", True),
        ("Dear *|FNAME|*", True),
        ("[INSERT PICTURE]", True),
        ("TK Maxx opens on Cask Quay", False),
        ("The tank was stuck.", False),
        ("An atktk word", False),
        ("A todo list", False),
    ],
)
def test_placeholders(text: str, *, found: bool) -> None:
    assert bool(list(check_placeholders(text, "x"))) == found


def test_a_subject_is_not_said_twice() -> None:
    assert repeated_subject("News", None, "morning") == []
    assert repeated_subject("News", "Older news", "morning") == []
    assert [f.code for f in repeated_subject("News ", "news", "morning")] == ["subject-repeated"]


def test_an_empty_subject_of_a_template_is_found() -> None:
    flight = fly(edition(subject="{{ none }}\n"))
    assert codes(flight) == [("subject-empty", "repaired")]
    assert flight.rendered.subject == "Morning Courier"


def test_errors_are_raised_with_what_to_do() -> None:
    refuse(flown('<a href="#">a</a>').findings, "morning")
    with pytest.raises(PreflightError, match=r"digest morning is not fit .* put \{\{ unsubscribe_url \}\} into both"):
        refuse(flown(text="A text").findings, "morning")


def test_every_code_is_met_in_these_tests() -> None:
    met = {code for _, found, _ in PAGES for code, _ in found}
    met |= {"language", "postal-address", "text-empty", "text-markup", "placeholder", "subject-empty"}
    met |= {"subject-long", "subject-repeated", "subject-reply", "unsubscribe-missing", "shortened", "size"}
    assert met | {"link-dead"} == set(CODES)  # tests/io/test_io_link_check.py


def test_every_code_is_documented_with_its_severity() -> None:
    document = (TEMPLATES.parent / "docs" / "digests.md").read_text()
    rows = dict(re.findall(r"(?m)^\| `([a-z-]+)` \| ((?:error|warning|repaired)[^|]*) \|", document))
    assert set(rows) == set(CODES)
    met = {(code, level) for _, found, _ in PAGES for code, level in found}
    assert {(code, level) for code, level in met if level not in rows[code]} == set()


def test_one_fault_of_a_template_is_not_told_for_every_article() -> None:
    flight = flown('<a href="#">a</a>' + "".join(f'<a href="#">{n}</a>' for n in range(20)))
    assert [finding.what for finding in flight.findings][-1] == "and 18 more of the kind"
    assert len(flight.findings) == 4


# Contrast


def test_contrast_is_that_of_the_standard() -> None:
    assert ratio_of("#000000", "#ffffff") == pytest.approx(21)
    assert ratio_of("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_colour_that_is_too_faint_is_found_in_either_mode(template: str, mode: str) -> None:
    base = texts()["digest/base.html"]
    light, opening, dark = base.partition("@media (prefers-color-scheme: dark)")
    changed = (
        light.replace("#59626b", "#999999") + opening + dark
        if mode == "light"
        else light
        + opening
        + dark.replace("#a9b2ba !important; }\n    .section", "#4d565e !important; }\n    .section")
    )
    assert changed != base
    flight = fly(issue(template), TemplateSet(texts(digest__base_html=changed)))
    assert flight.findings
    assert {(finding.code, finding.what.endswith(f"({mode})")) for finding in flight.findings} == {("contrast", True)}


def test_rules_of_dark_mode_beat_styles_and_one_in_another_counts() -> None:
    sheet = (
        "@media (prefers-color-scheme: dark) { .a { background: #000 !important; color: #111; } .a .b { color: #eee } }"
    )
    page = f'<html><head><style>{sheet}</style></head><body><div class="a">x<p class="b">y</p></div><p class="b">z</p></body></html>'
    found = [finding.what for finding in check_contrast(lxml.html.document_fromstring(page), "x")]
    assert [re.findall("“(.)”.*#111111 on #000000.*dark", what) for what in found] == [["x"]]


# Size


def heavy(count: int, summary: str = "Wall. " * 160) -> tuple[Any, ...]:
    return tuple(
        article(
            n,
            title=f"The wall, part {n} of very many",
            summary=summary,
            url=f"https://courier.example/{n}",
            category="ab"[n % 2],
        )
        for n in range(1, count + 1)
    )


@pytest.mark.parametrize("template", NAMES)
def test_an_edition_that_is_too_large_is_made_to_fit(template: str) -> None:
    made = edition(digest=Digest(template=template), articles=heavy(90), headlines=heavy(250)[90:])
    flight = fly(made)
    assert flight.size <= FITS < CLIP
    assert codes(flight) == [("shortened", "repaired")]
    assert flight.size == html_size(flight.message, NONCE)
    # Nothing is lost: every article is there in full, as a headline, or counted, in the order of the edition.
    shown = [one.id for one in (*flight.edition.articles, *flight.edition.headlines)]
    planned = [one.id for one in (*made.articles, *made.headlines)]
    assert shown == planned[: len(shown)]
    assert flight.edition.more - made.more == len(planned) - len(shown)
    assert "no mail program cuts it off" in " ".join(flight.rendered.text.split())
    assert fly(made) == flight


def test_what_fits_is_not_shortened() -> None:
    assert fly(edition()).edition == edition()


def test_a_template_that_is_too_large_by_itself_is_told() -> None:
    page = "<p>" + "wall " * 22_000 + "</p>"
    assert [(code, level) for code, level in codes(flown(page)) if code == "size"] == [("size", "warning")]
    assert [(code, level) for code, level in codes(flown(page * 10)) if code == "size"] == [("size", "error")]
    same = edition()
    assert [f.severity for f in check_size(1, REFUSED, same, same, "x")] == [Severity.WARNING]


@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from([*LIMITS, 1000]), st.integers(FITS, 30 * FITS))
@settings(max_examples=60)
def test_each_step_takes_something_away_and_the_steps_end(articles: int, headlines: int, limit: int, size: int) -> None:
    if not articles + headlines:
        return
    found: EditionInput | None = edition(
        articles=heavy(articles), headlines=heavy(headlines), summary_limit=limit, more=0
    )
    for _step in range(60):
        assert found is not None
        before, found = found, smaller(found, size)
        if found is None:
            break
        assert weight(found) < weight(before)
        assert len(found.articles) + len(found.headlines) + found.more == articles + headlines
        assert found.articles or found.headlines
        assert bool(found.articles) == bool(articles)
    assert found is None


def weight(made: EditionInput) -> tuple[int, int, int]:
    return (made.summary_limit, len(made.articles), len(made.headlines))


def test_links_on_the_web() -> None:
    page = f'<a class="x" href="https://x.example/?a=1&amp;b=2">a</a><a href="{UNSUBSCRIBE}">b</a><a href="mailto:a@x.example">c</a>'
    assert web_links(page * 2, NONCE) == ["https://x.example/?a=1&b=2"]


# Bad input

BAD = {
    "broken": '<p>a<b>b<i>c</p></table><td>d<a href="x',
    "deep": "<div>" * 150 + "deep" + "</div>" * 150,
    "long word": "Hafenmeisterei" * 400,
    "mixed": "English עברית العربية 日本語 \u200f(123)\u200e!",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 50,
    "angle": "<<<>>>&&&;;;" * 50,
    "control": "a\u2028b\u2029c\u00adx",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("template", NAMES)
def test_whatever_an_article_holds_the_mail_is_whole(text: str, template: str) -> None:
    bad = tuple(
        article(
            n,
            title=(text * 30)[:3000],
            summary=(text * 30)[:3000],
            html=text,
            authors=(text,) * 50,
            category=text * 9,
            publisher=text,
            image="https://courier.example/a.png",
            image_alt=text * 9,
            url="https://courier.example/" + "a" * 500,
        )
        for n in range(12)
    )
    flight = fly(edition(digest=Digest(template=template), articles=bad, headlines=bad, language="ar"))
    assert flight.size <= CLIP
    assert all(finding.severity is not Severity.ERROR for finding in flight.findings)
    page = lxml.html.document_fromstring(flight.rendered.html)
    assert page.xpath("count(//h1)") == 1
    assert UNSUBSCRIBE in flight.rendered.text


@given(st.text(max_size=60), st.sampled_from(NAMES))
@example("How to write {{ name }} and [TODO] in lorem ipsum", "brief")
@settings(max_examples=40)
def test_no_title_is_an_error(title: str, template: str) -> None:
    """Also one that looks like a placeholder: who writes articles must not be able to stop an issue by a word."""
    bare = article(1, title=title.replace("\x00", "") or "x")
    flight = fly(edition(digest=Digest(template=template), articles=(bare,), headlines=()))
    assert all(finding.severity is not Severity.ERROR for finding in flight.findings)


PIECES = st.sampled_from(
    [
        '<img src="',
        '" alt="',
        '">',
        '<a href="',
        "</a>",
        "<table><tr><td>",
        'style="color:#',
        "background-color: rgb(1,2,3)",
        "<style>@media (prefers-color-scheme: dark) {",
        "{ .a .b { color: #fff } }",
        "</style>",
        "<!--[if mso]>",
        "<![endif]-->",
        "http://[",
        "//x",
        "data:",
        "#b",
        "&#8;&#0;",
        "\x08",
        UNSUBSCRIBE,
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join))
@settings(max_examples=150)
def test_whatever_a_template_prints_the_pre_flight_ends_and_what_it_mends_stays_mended(page: str) -> None:
    first = flown(page)
    again = flown(html=first.rendered.html)
    assert [finding for finding in again.findings if finding.severity is Severity.REPAIRED] == []


def test_missing_everything() -> None:
    flight = fly(edition(articles=(article(1, title="Only a title", language=None),), headlines=(), more=0))
    assert flight.findings == ()


def test_findings_are_plain_values() -> None:
    finding = Finding(code="size", severity=Severity.WARNING, what="large", where="digest/x.html")
    assert finding.document() == {
        "code": "size",
        "severity": "warning",
        "what": "large",
        "where": "digest/x.html",
        "do": CODES["size"],
    }
    assert replace(finding, what="x") != finding
    assert isinstance(plain(), RenderedEdition)
