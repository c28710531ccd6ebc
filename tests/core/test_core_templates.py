from __future__ import annotations

import re
import threading
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from mail_samples import TEMPLATES, rendered, shipped_templates, texts

from syndicate.core.render.languages import direction, fallback_chain, language_name, locale_of
from syndicate.core.render.templates import TemplateSet
from syndicate.core.render.web_addresses import mail_image, safe_url
from syndicate.core.render.words import Word, beneath, read_catalogues, words_for
from syndicate.errors import TemplateError

PLACE = re.compile(r"\{\w+\}")
LANGUAGES = ["ar", "de", "en", "es", "fr", "he", "ja", "zh"]


@pytest.mark.parametrize(
    ("text", "name", "line", "said"),
    [
        ("one\n{% if %}", "digest/digest.txt", 2, "Expected an expression"),
        ("one\n\n{{ nonsense }}", "digest/digest.txt", 3, "'nonsense' is undefined"),
        ("{{ top.headline }}", "digest/digest.txt", 1, "no attribute 'headline'"),
        ("{{ words.nonsense }}", "digest/digest.txt", 1, "no attribute 'nonsense'"),
        ("\n{{ 1 / 0 }}", "digest/digest.txt", 2, "division by zero"),
        ("\n{{ top.title | shout }}", "digest/digest.txt", 2, "No filter named 'shout'"),
        ('\n{% include "digest/none.txt" %}', "digest/digest.txt", 2, "there is no template 'digest/none.txt'"),
        ("{{ top.title.__class__.__mro__ }}", "digest/digest.txt", 1, "unsafe"),
        ('{{ top.title | date("long") }}', "digest/digest.txt", 1, "the date filter wants a date"),
        ('{% include "digest/digest.txt" %}', "digest/digest.txt", 1, "without end"),
        ("{% macro m() %}\n{{ nonsense }}{% endmacro %}\n{{ m() }}", "digest/digest.txt", 2, "'nonsense' is undefined"),
    ],
)
def test_faults_are_errors_with_name_and_line(text: str, name: str, line: int, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(TemplateSet(texts(digest__digest_txt=text)))
    assert (caught.value.name, caught.value.line) == (name, line)
    assert said in str(caught.value)


def test_a_missing_template_is_named() -> None:
    templates = {name: text for name, text in texts().items() if name != "digest/digest.html"}
    with pytest.raises(TemplateError, match=r"there is no template 'digest/digest\.html'"):
        rendered(TemplateSet(templates))


def render(text: str, language: str = "en", zone: str = "Europe/London", **context: object) -> str:
    return TemplateSet({"t.txt": text}).renderer(context, language=language, zone=ZoneInfo(zone))("t.txt")


@pytest.mark.parametrize(
    ("language", "zone", "pattern", "shown"),
    [
        ("en-GB", "America/New_York", "long", "22 November 2026"),
        ("en-US", "Europe/London", "full", "Sunday, November 22, 2026"),
        ("en", "Europe/London", "full", "Sunday, 22 November 2026"),
        ("en", "America/New_York", "full", "Sunday, November 22, 2026"),
        ("en", "Etc/GMT", "long", "November 22, 2026"),
        ("fr", "Europe/London", "long", "22 novembre 2026"),
        ("de", "Europe/Berlin", "full", "Montag, 23. November 2026"),
        ("ja", "UTC", "long", "2026年11月22日"),
        ("xx-unknown", "UTC", "medium", "Nov 22, 2026"),
        ("en", "America/New_York", "EEEE HH:mm", "Sunday 18:30"),
        ("fr", "UTC", "d MMMM", "22 novembre"),
    ],
)
def test_dates_are_in_the_language_and_zone_of_the_edition(language: str, zone: str, pattern: str, shown: str) -> None:
    moment = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert render("{{ at | date(pattern) }}", language, zone, at=moment, pattern=pattern) == shown


def test_a_day_is_not_moved_by_the_zone() -> None:
    assert render("{{ day | date }}", "de", "Pacific/Auckland", day=date(2026, 11, 22)) == "22. November 2026"


def test_editions_in_two_languages_do_not_disturb_each_other() -> None:
    templates = TemplateSet({"t.txt": '{% for _ in range(300) %}{{ day | date("EEEE") }} {% endfor %}'})
    shown: dict[str, set[str]] = {}

    def work(language: str) -> None:
        context = {"day": date(2026, 11, 22)}
        shown[language] = set(templates.renderer(context, language=language, zone=ZoneInfo("UTC"))("t.txt").split())

    threads = [threading.Thread(target=work, args=(language,)) for language in ("de", "fr", "en")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == {"de": {"Sonntag"}, "fr": {"dimanche"}, "en": {"Sunday"}}


def test_small_filters() -> None:
    assert render("{{ 'a👍🏽b' | truncate_text(3) }}{{ none_value }}", none_value=None) == "a…"
    assert render("{{ 'By {names} {x}' | put(names='{x}') }}") == "By {x} {x}"
    assert render("{{ '港の便り' | underline }}") == "港の便り\n--------"
    assert render("{{ 1234.5 | number }} {{ 2.345 | number(1) }}", "de") == "1.234,5 2,3"
    assert render("{{ '<p>a <a href=\"https://x.example/\">b</a></p>' | text(first=4) }}") == (
        "a b [4]\n\n[4] https://x.example/"
    )


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "One article"),
        ("en", 1200, "1,200 articles"),
        ("de", 1200, "1.200 Artikel"),
        ("fr", 0, "0 article"),
        ("ar", 2, "مقالان"),
        ("ar", 3, "3 مقالات"),
        ("ar", 11, "11 مقالًا"),
        ("he", 2, "שתי כתבות"),
        ("ja", 1, "記事 1 本"),
    ],
)
def test_numbers_choose_their_form(language: str, count: int, said: str) -> None:
    words = shipped_templates().words(language)
    assert render("{{ words.articles | put(count=count) }}", language, words=words, count=count) == said


def test_a_form_that_is_missing_is_the_other_one_and_a_number_is_needed() -> None:
    assert render("{{ {'other': '{count} things'} | put(count=1) }}") == "1 things"
    with pytest.raises(TemplateError, match="must be a whole number"):
        render("{{ {'other': '{count} things'} | put(count='x') }}")


def test_html_is_escaped_and_text_is_not() -> None:
    both = TemplateSet({"a.html": "{{ x }}", "a.txt": "{{ x }}"})
    show = both.renderer({"x": "<b> & 'q'"}, language="en", zone=ZoneInfo("UTC"))
    assert show("a.html") == "&lt;b&gt; &amp; &#39;q&#39;"
    assert show("a.txt") == "<b> & 'q'"


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://courier.example/a?b=1&c=%20#d", "https://courier.example/a?b=1&c=%20#d"),
        (
            "https://kürbis.example/大漁旗?q=ü x",
            "https://xn--krbis-kva.example/%E5%A4%A7%E6%BC%81%E6%97%97?q=%C3%BC%20x",
        ),
        ('https://courier.example/"><script>', "https://courier.example/%22%3E%3Cscript%3E"),
        ("mailto:news@courier.example?subject=A b", "mailto:news@courier.example?subject=A%20b"),
        ("javascript:alert(1)", ""),
        (" JaVaScRiPt:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//courier.example/x", ""),
        ("/relative", ""),
        ("https://", ""),
        ("https://[broken", ""),
        ("https://courier.example:x/", ""),
        ("https://user:password@courier.example/", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_addresses_in_mails(address: str | None, safe: str) -> None:
    assert safe_url(address) == safe
    assert safe_url(safe) == safe


def test_images_that_mail_clients_do_not_show_are_left_out() -> None:
    assert mail_image("https://courier.example/a.SVG?x=1") == ""
    assert mail_image("mailto:a@courier.example") == ""
    assert mail_image("https://courier.example/a.png") == "https://courier.example/a.png"


def test_every_language_has_every_word() -> None:
    catalogues = shipped_templates().catalogues
    assert sorted(catalogues) == LANGUAGES == sorted(path.stem for path in (TEMPLATES / "words").iterdir())
    for tag, words in catalogues.items():
        assert words.keys() == catalogues["en"].keys(), tag
        for key, word in words.items():
            english = catalogues["en"][key]
            assert places(word) == places(english), (tag, key)
            assert isinstance(word, str) == isinstance(english, str), (tag, key)
            if not isinstance(word, str):  # one form for each kind of number that the language has, and no other
                assert word.keys() == locale_of(tag).plural_form.tags | {"other"}, (tag, key)


def places(word: Word) -> set[str]:
    """The places in braces; a form for one or two may say the number in a word."""
    if isinstance(word, str):
        return set(PLACE.findall(word))
    used = {form: set(PLACE.findall(text)) for form, text in word.items()}
    assert all(found <= used["other"] for found in used.values())
    return used["other"]


@pytest.mark.parametrize(
    ("language", "site", "nearest", "way"),
    [
        ("de-AT", "fr", "de", "ltr"),
        ("pt-BR", "fr-CA", "fr", "ltr"),
        ("xx", "yy", "en", "ltr"),
        (None, None, "en", "ltr"),
        ("he", "en", "he", "rtl"),
        ("AR_EG", None, "ar", "rtl"),
    ],
)
def test_words_fall_back(language: str | None, site: str | None, nearest: str, way: str) -> None:
    words = shipped_templates().words(language, site)
    assert (words["language"], words["dir"]) == (nearest, way)
    assert words["unsubscribe"] == shipped_templates().catalogues[nearest]["unsubscribe"]


def test_one_missing_word_comes_from_the_next_table() -> None:
    catalogues = read_catalogues(
        {"words/en.toml": 'a = "A"\nb = "B"', "words/de.toml": 'a = "Ä"', "words/de-at.toml": ""}
    )
    assert words_for(catalogues, "de-AT") == {"a": "Ä", "b": "B", "language": "de-at", "dir": "ltr"}


def test_own_words_fall_back_to_the_shipped_ones_of_their_language_word_by_word() -> None:
    catalogues = read_catalogues(
        {
            "words/de.toml": 'a = "Eigenes"',
            "words/en.toml": 'a = "A"\nb = "B"\nc = "C"',
            beneath("words/de.toml") or "": 'a = "Ä"\nb = "Be"',
        }
    )
    assert words_for(catalogues, "de") == {"a": "Eigenes", "b": "Be", "c": "C", "language": "de", "dir": "ltr"}
    assert beneath("digest/digest.html") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", "no valid TOML"),
        ("a = 1", "a must be a text"),
        ('a = { one = "x" }', 'a needs a form "other"'),
        ('a = { other = "x", several = "y" }', "a.several must be a text, and one of zero, one"),
        ("a = { other = 1 }", "a.other must be a text"),
    ],
)
def test_broken_words_are_named(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said) as caught:
        TemplateSet({"words/xx.toml": text})
    assert caught.value.name == "words/xx.toml"


def test_languages() -> None:
    assert fallback_chain("zh-Hant-TW", "de") == ["zh-hant-tw", "zh-hant", "zh", "de", "en"]
    assert [direction(tag) for tag in ("ar", "fa-IR", "en", "", "yi", "nonsense")] == [
        "rtl",
        "rtl",
        "ltr",
        "ltr",
        "rtl",
        "ltr",
    ]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("ar", "العربية"),
        ("de-AT", "Deutsch (Österreich)"),
        ("zh-hans", "中文 (简体)"),
        ("tlh", "tlh"),
        ("x-port", "x-port"),
    ],
)
def test_languages_are_called_what_they_call_themselves(tag: str, name: str) -> None:
    assert language_name(tag) == name
