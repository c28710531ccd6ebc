"""What an edition's pages must be for mail clients and for people (email.md R2, R6 to R11)."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import lxml.html
import pytest
from feed_articles import CLEAN, article, articles
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import NONCE, SITE, TEMPLATES, edition, rendered, shipped_templates, texts

from syndicate.config.sections import Digest
from syndicate.core.render.article_text import mail_html
from syndicate.core.render.edition import SUBJECT_LENGTH, one_line, render_edition
from syndicate.core.render.graphemes import display_width, graphemes
from syndicate.core.render.inline import inline_styles
from syndicate.core.render.reading import reading_text
from syndicate.core.render.slots import fill_markers, marker
from syndicate.core.render.templates import TemplateSet
from syndicate.errors import TemplateError, UsageError
from syndicate.model import Article

ADDRESS = re.compile(rf"https?://\S+|{NONCE}[upw]z")


def page_of(html: str) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(html)


def outline(page: lxml.html.HtmlElement) -> list[int]:
    return [int(heading.tag[1]) for heading in page.iter("h1", "h2", "h3", "h4", "h5", "h6")]


@given(articles(CLEAN, most=5), st.sampled_from(["en", "ar", "ja", "de", "xx"]), st.booleans())
@settings(max_examples=40)
def test_pages_and_texts_hold_for_any_articles(found: list[Article], language: str, split: bool) -> None:
    if not found:
        return
    shown, headlines = (found[:2], found[2:]) if split else (found, [])
    made = rendered(
        articles=tuple(shown),
        headlines=tuple(headlines),
        language=language,
        words=shipped_templates().words(language, "en"),
    )
    page = page_of(made.html)
    levels = outline(page)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert not list(page.iter("script", "form", "iframe", "link", "svg", "object", "base"))
    assert not page.xpath("//@*[starts-with(name(), 'on')]")
    for image in page.iter("img"):
        assert image.get("src", "").startswith("http")
        assert "alt" in image.attrib
        assert image.get("width") in {"518", "132"}
    # The same addresses in the same number in both parts: spam filters compare them.
    assert Counter(page.xpath("//a/@href")) == Counter(ADDRESS.findall(made.text))
    assert "\n\n\n" not in made.text
    for line in made.text.splitlines():
        assert display_width(line) <= 72 or " " not in line.strip()
    assert "\r" not in made.subject + made.preheader
    assert "\n" not in made.subject + made.preheader
    assert sum(1 for _ in graphemes(made.preheader)) <= 130


def test_the_page_is_made_for_mail_clients() -> None:
    made = rendered()
    page = page_of(made.html)
    assert made.html.startswith("<!DOCTYPE html>")
    for element in (page, page.body, page.find_class("page")[0]):
        assert (element.get("lang"), element.get("dir")) == ("en-GB", "ltr")
    assert all(table.get("role") == "presentation" for table in page.iter("table"))
    assert page.body.text_content().strip().startswith(made.preheader)
    assert {meta.get("content") for meta in page.iter("meta") if "color-scheme" in meta.get("name", "")} == {
        "light dark"
    }
    styles = [style.text for style in page.iter("style")]
    assert len(styles) == 1
    assert len(styles[0]) < 16_000
    assert styles[0].count("!important") > 30
    assert "@media (prefers-color-scheme: dark)" in styles[0]
    assert "[data-ogsc]" in styles[0]
    assert "data-premailer" not in made.html
    for bad in ("var(", "flex", "grid", "position:", "calc(", "data:", "javascript:"):
        assert bad not in made.html
    column = page.find_class("column")[0]
    assert column.get("width") == "100%"  # premailer has not overwritten it
    assert "max-width:600px" in column.get("style", "")
    assert '<table role="presentation" width="600"' in made.html  # Outlook's
    sizes = [int(size) for size in re.findall(r"font-size:(\d+)px", made.html)]
    assert min(size for size in sizes if size > 1) >= 12


def test_a_full_issue_stays_far_below_what_gmail_clips() -> None:
    many = [
        article(
            number,
            title="A title of ordinary length, with a comma in the middle of it",
            url=f"https://courier.example/news/a-title-of-ordinary-length-{number}",
            summary="Work on 310 metres of wall will start in March, two winters later than the street had hoped. " * 2,
            authors=("Nora Tideswell",),
            category=("news", "port", "sport")[number % 3],
            image=f"https://courier.example/media/{number}.png",
            image_alt="A wall, and behind it the sea.",
        )
        for number in range(30)
    ]
    made = rendered(articles=tuple(many[:12]), headlines=tuple(many[12:]))
    assert len(made.html.encode()) < 80_000


def test_articles_carry_their_language_and_direction() -> None:
    page = page_of(rendered(site=SITE.model_copy(update={"language": "en"}), language="ar").html)
    shown = [(cell.get("lang"), cell.get("dir"), cell.get("align")) for cell in page.find_class("article")]
    assert shown == [
        ("en", "ltr", "left"),
        ("en", "ltr", "left"),
        ("ar", "rtl", "right"),
        ("ja", "ltr", "left"),
        ("en", "ltr", "left"),
    ]
    # An article that says no language is in the site's, not in the edition's.
    silent = rendered(articles=(article(1, language=None),), headlines=(), language="ar")
    assert page_of(silent.html).find_class("article")[0].get("lang") == "en-GB"
    assert [element.get("dir") for element in (page, page.body, page.find_class("page")[0])] == ["rtl"] * 3
    assert page.find_class("card")[0].get("align") == "right"


def test_sections_stand_in_order_and_only_when_there_are_several() -> None:
    page = page_of(rendered().html)
    assert [section.text_content() for section in page.find_class("section")] == ["News", "Culture", "More headlines"]
    assert outline(page) == [1, 2, 2, 3, 2, 3, 3, 3, 2]  # the lead story stands before its section
    one = rendered(articles=(article(1, category="News"), article(2, category="news")), headlines=())
    assert outline(page_of(one.html)) == [1, 2, 2]
    loose = (article(1, category="news"), article(2), article(3, category="port"))
    page = page_of(rendered(articles=loose, headlines=(), digest=Digest(template="brief")).html)
    assert [label.text_content() for label in page.find_class("label")] == ["News", "Port", "More"]
    # The magazine shows the first story, with its category, before the sections, and names none that is empty then.
    page = page_of(rendered(articles=loose, headlines=()).html)
    assert [section.text_content() for section in page.find_class("section")] == ["Port", "More"]
    assert page.find_class("kicker")[0].text_content() == "News"


@pytest.mark.parametrize("look", ["brief", "magazine", "plain-letter"])
def test_pinned_articles_without_a_section_leave_no_gap_between_headings(look: str) -> None:
    led = (article(1, pinned=True), article(2, pinned=True), article(3, category="news"), article(4, category="port"))
    made = rendered(articles=led, headlines=(), digest=Digest(template=look))
    assert outline(page_of(made.html)) == [1, 2, 2, 2, 3, 2, 3]


def test_both_parts_say_the_same() -> None:
    made = rendered()
    page = page_of(made.html)
    seen = " ".join(page.body.text_content().split())
    read = " ".join(made.text.split())
    for word in (
        "Sunday, 22 November 2026",
        "Chips & “proper” vinegar: price < £9",
        "Pia Holm and Ansel Tye · 20 November 2026",
        "Correction · 20 November 2026",
        "Updated · 潮田みなも · Shionari Shimpo",
        "Wie man ein Netz flickt",
        "3 more articles are not listed here.",
        "You get “Morning Courier” because you subscribed",
        "1 Quay Street, Harbourtown",
    ):
        assert word in seen
        assert word.replace(" ", "") in read.replace(" ", "")
    assert made.text.count("\n-- \n") == 1
    assert not re.search(r"&[a-z]+;|<[a-z/]", made.text)
    assert "hikayat.svg" not in made.html
    assert "A drawing." not in made.html


@pytest.mark.parametrize("language", ["en", "ar"])
def test_each_text_stands_at_the_side_where_its_language_begins(language: str) -> None:
    both = (article(1, language="he"), article(2, language="en"))
    page = page_of(rendered(articles=both, headlines=(article(3, language="ar"), article(4)), language=language).html)
    assert [(cell.get("dir"), cell.get("align")) for cell in page.xpath("//td[contains(@class, 'article')]")] == [
        ("rtl", "right"),
        ("ltr", "left"),
    ]
    # In a cell with align, which mail clients need, direction alone moves nothing.
    lines = page.find_class("headline")
    assert [(line.get("dir"), side(line)) for line in lines] == [("rtl", "right"), ("ltr", "left")]
    frame = "right" if language == "ar" else "left"
    assert {cell.get("align") for name in ("card", "foot") for cell in page.find_class(name)} == {frame}


def side(element: lxml.html.HtmlElement) -> str:
    found = re.search(r"text-align:\s*(\w+)", element.get("style", ""))
    return found[1] if found else ""


def test_nothing_but_headlines() -> None:
    made = rendered(articles=(), headlines=(article(1, title="Only this", url="https://courier.example/1"),))
    assert made.subject == "Morning Courier: Only this"
    assert outline(page_of(made.html)) == [1, 2]
    with pytest.raises(UsageError):
        rendered(articles=(), headlines=())


def test_the_same_input_gives_the_same_edition() -> None:
    assert rendered() == rendered()


HOSTILE = [
    "</title><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "{{ recipient.email }}{% for x in y %}",
    "]]><!-- --><svg onload=alert(1)>",
    "=?utf-8?q?forged?=",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_only_shown(text: str) -> None:
    made = rendered(
        articles=(
            article(
                1,
                title=text,
                summary=text,
                authors=(text,),
                category=text,
                publisher=text,
                image_alt=text,
                image="https://c.example/a.png",
            ),
        ),
        headlines=(article(2, title=text, url="javascript:alert(1)"),),
    )
    page = page_of(made.html)
    assert not list(page.iter("script", "svg"))
    assert not page.xpath("//@*[starts-with(name(), 'on')]")
    assert "javascript:" not in made.html + made.text
    assert [image.get("alt") for image in page.iter("img")] == [text]
    assert page.find_class("title")[0].text_content() == text
    assert text in made.text.replace("\n", " ") or len(text) > 60
    assert "Subject" not in made.subject


def test_an_address_cannot_break_out_of_its_quotes_in_the_inliner() -> None:
    # With preserve_handlebar_syntax premailer un-escapes what stands between %7B%7B and %7D%7D.
    address = "https://courier.example/"
    inlined = inline_styles(
        '<html><body><a href="%7B%7B%22%3E%3Cscript%3Ealert(1)%3C/script%3E%7D%7D">x</a><p title="{{ &quot;&lt;b&gt; }}"></p></body></html>',
        "x",
    )
    assert "<script" not in inlined
    assert "<b>" not in inlined
    made = rendered(articles=(article(1, url=address + "%7B%7B%22%3E%3Cscript%3E%7D%7D"),), headlines=())
    assert not list(page_of(made.html).iter("script"))


def test_the_inliner_reads_no_network_and_no_files() -> None:
    page = (
        '<html><head><link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
        '<link rel="stylesheet" href="/etc/hostname"></head><body><p class="a">x</p></body></html>'
    )
    assert inline_styles(page, "x").count("<link") == 2


@pytest.mark.parametrize(
    ("page", "said"),
    [(" \n", "renders nothing"), ('<?xml version="1.0" encoding="utf-8"?><html/>', "no page with styles to inline")],
)
def test_what_is_no_page_is_an_error_of_the_template(page: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said) as caught:
        rendered(TemplateSet(texts(digest__digest_html=page)))
    assert caught.value.name == "digest/digest.html"


def test_a_slot_lost_in_a_style_block_is_an_error() -> None:
    template = "<html><head><style>.{{ unsubscribe_url }} { color: red }</style></head><body>{{ unsubscribe_url }}</body></html>"
    made = rendered(TemplateSet(texts(digest__digest_html=template)))
    assert made.html.count(NONCE) == 1  # the rule matched nothing and is gone; the link stays
    broken = "<html><body>{% filter upper %}{% include 'digest/part.html' %}{% endfilter %}</body></html>"
    with pytest.raises(TemplateError, match="changes a slot"):
        rendered(TemplateSet(texts(digest__digest_html=broken, digest__part_html="{{ unsubscribe_url }}")))


@given(st.text())
def test_subjects_are_one_line(text: str) -> None:
    line = one_line(text, NONCE)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|  ", line)
    assert line == line.strip()
    assert sum(1 for _ in graphemes(line)) <= SUBJECT_LENGTH


def test_subjects_are_cut_and_never_in_a_slot() -> None:
    name = marker("recipient.name", NONCE, "friend")
    assert one_line("a" * 140 + " " + name + " " + "b" * 20, NONCE).startswith("a" * 140 + f" {name}")
    assert NONCE not in one_line("word " * 40 + name, NONCE)
    assert rendered(subject="{{ none }}").subject == "Morning Courier"
    assert (
        rendered(subject="{{ top.title }}", articles=(article(1, title="Hello\r\nBcc: x"),)).subject == "Hello Bcc: x"
    )


def test_a_name_in_the_subject() -> None:
    made = rendered(subject='Good morning, {{ recipient.name | fallback("friend") }}: {{ issue.date | date("d.M.") }}')
    nobody = {"recipient.name": ""}
    assert fill_markers(made.subject, NONCE, nobody) == "Good morning, friend: 22.11."


def test_own_templates_see_the_whole_article() -> None:
    body = '<h1>A</h1><p>One <a href="https://x.example/ü">two</a><br>three</p><h3>B</h3><ul><li>x<li>y</ul><img src="a.svg" alt="no">'
    text = "{% for article in articles %}{{ article.text }}{% endfor %}"
    page = "<html><body>{{ articles[0].html }}</body></html>"
    made = render_edition(
        TemplateSet(texts(digest__own_txt=text, digest__own_html=page)),
        edition(articles=(article(1, html=body),), digest=Digest(template="own")),
        NONCE,
    )
    assert made.text == "A\n\nOne two [1]\nthree\n\nB\n\n- x\n- y\n\n[1] https://x.example/%C3%BC\n"
    assert outline(page_of(made.html)) == [3, 4]


@pytest.mark.parametrize(
    ("html", "mail"),
    [
        ("", ""),
        ("a &lt; b", "a &lt; b"),
        ("<h2>x</h2><h4>y</h4><h2>z</h2>", "<h3>x</h3><h4>y</h4><h3>z</h3>"),
        (
            '<p><a href="tel:+44">call</a> <a href="https://x.example/é">read</a></p>',
            '<p><a>call</a> <a href="https://x.example/%C3%A9">read</a></p>',
        ),
        ('<p>a<img src="https://x.example/a.svg" alt="b">c</p>', "<p>ac</p>"),
    ],
)
def test_article_html_is_made_fit_for_mails(html: str, mail: str) -> None:
    assert str(mail_html(html, heading_level=2)) == mail


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>a  b\nc</p><p>d</p>", "a b c\n\nd"),
        ('<p><a href="https://x.example/">https://x.example/</a></p>', "https://x.example/"),
        ('<p>x <img src="https://x.example/a.png" alt="A crane"> y</p>', "x [A crane] y"),
        ("<blockquote><p>quoted</p><p>twice</p></blockquote>after", "> quoted\n>\n> twice\n\nafter"),
        ("<ul><li>a<li><p>b</p><p>c</p><ul><li>d</ul></ul>", "- a\n- b\n  c\n  - d"),
        ('<ol start="9"><li>a<li>b</ol>', "9. a\n10. b"),
        ("a<br>b<hr>c", "a\nb\n\n* * *\n\nc"),
        ("<pre>x  y\n  z\n</pre>", "x  y\n  z"),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>", "a | b\nc | d"),
        (
            '<a href="https://x.example/1">a</a> <a href="https://x.example/2">b</a> <a href="https://x.example/1">c</a>',
            "a [1] b [2] c [1]\n\n[1] https://x.example/1\n[2] https://x.example/2",
        ),
        ('<a href="https://x.example/"><p>a</p><p>b</p></a>', "a\n\nb [1]\n\n[1] https://x.example/"),
        ('<a href="javascript:x">a</a>', "a"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
    ],
)
def test_article_html_as_text(html: str, text: str) -> None:
    assert reading_text(html) == text


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(css: str, kind: str) -> dict[str, str]:
    """The colour of every class in a style sheet."""
    found: dict[str, str] = {}
    for selectors, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        match = re.search(rf"(?<![-\w]){kind}: (#[0-9a-f]{{6}})", rules)
        if match:
            found |= dict.fromkeys(re.findall(r"\.([\w-]+)", selectors), match[1])
    return found


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast_is_enough_in_both_modes(mode: str) -> None:
    base = (TEMPLATES / "digest" / "base.html").read_text()
    light, conditional = re.findall(r"<style[^>]*>(.*?)</style>", base, re.DOTALL)
    css = light
    if mode == "dark":
        css = (
            light + conditional.partition("prefers-color-scheme: dark")[2].partition("{")[2].partition("[data-ogsc]")[0]
        )
    text, ground = colours(css, "color"), colours(css, "background-color")
    places = {
        "card": [
            "paper",
            "title",
            "title-link",
            "summary",
            "dateline",
            "byline",
            "section",
            "headline-link",
            "link",
            "note",
            "mark",
        ],
        "page": ["foot", "foot-link", "page"],
        "button-cell": ["button"],
        "corrected": ["corrected-heading", "corrected-line"],
    }
    for place, names in places.items():
        for name in names:
            assert contrast(text[name], ground[place]) >= 4.5, (mode, name, text[name], ground[place])


def test_links_are_numbered_in_the_order_in_which_they_are_read() -> None:
    mixed = tuple(
        article(n, category="ab"[n % 2], url=f"https://courier.example/{n}", summary="x") for n in range(1, 6)
    )
    text = rendered(articles=mixed, headlines=(article(9, url="https://courier.example/9"),)).text
    assert re.findall(r"Story (\d) \[(\d)\]", text) == [
        ("1", "1"),
        ("3", "2"),
        ("5", "3"),
        ("2", "4"),
        ("4", "5"),
        ("9", "6"),
    ]
    assert re.findall(r"\[(\d)\] https://courier.example/(\d)", text) == [
        ("1", "1"),
        ("2", "3"),
        ("3", "5"),
        ("4", "2"),
        ("5", "4"),
        ("6", "9"),
    ]


def test_dates_are_local_to_the_zone_of_the_digest() -> None:
    late = article(1, published=datetime(2026, 11, 21, 23, 30, tzinfo=UTC))
    made = rendered(articles=(late,), headlines=(), zone="Asia/Tokyo")
    assert "22 November 2026" in made.text.split("Story 1")[1]
