from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pytest
from mail_samples import NONCE, VALUES, rendered, shipped_templates, texts

from syndicate.core.render.slots import Slot, SlotMisuseError, altered_marker, check_nonce, fill_markers, marker
from syndicate.core.render.templates import TemplateSet
from syndicate.errors import TemplateError, UsageError

FOOT = "{{ unsubscribe_url }}"

# What a template must not do, the line it stands on, and a part of what is said.
MISUSES = [
    ("{% if recipient.name %}x{% endif %}", 1, "can only be printed"),
    ("one\n{{ recipient.name | upper }}", 2, "can only be printed"),
    ('\n\n{{ recipient.name == "Zoe" }}', 3, "can only be printed"),
    ('{{ recipient.name or "reader" }}', 1, "fallback"),
    ("{{ recipient.name if true else 1 }}", 1, "can only be printed"),
    ("{% set name = recipient.name %}", 1, "can only be printed"),
    ("{% set name %}{{ recipient.name }}{% endset %}", 1, "can only be printed"),
    ("{% filter upper %}\n{{ recipient.name }}{% endfilter %}", 2, "can only be printed"),
    ("{% for letter in recipient.name %}{% endfor %}", 1, "can only be printed"),
    ('{{ "x" ~ unsubscribe_url }}', 1, "can only be printed"),
    ("{{ unsubscribe_url is defined }}", 1, "can only be printed"),
    ("{{ unsubscribe_url | url }}", 1, "can only be printed"),
    ("{{ unsubscribe_url[0] }}", 1, "can only be printed"),
    ("{{ recipient }}", 1, "can only be printed"),
    ("{{ words.why | put(digest=recipient.email) }}", 1, "can only be printed"),
    ("{{ recipient.name | fallback(recipient.email) }}", 1, "can only be printed"),
    ("{{ recipient.topics }}", 1, "recipient has only name and email, not topics"),
    ("{% set unsubscribe_url = 1 %}", 1, "cannot be given to something else"),
    ("{% for recipient in articles %}{% endfor %}", 1, "cannot be given to something else"),
    ("{% macro m(preferences_url) %}{% endmacro %}", 1, "cannot be given to something else"),
    ("\n{{ personal_feed_url }}", 2, "later version"),
    ("{{ web_url | upper }}", 1, "can only be printed"),
    (
        "{% macro m(x) %}{% if x %}y{% endif %}{% endmacro %}\n{{ m(unsubscribe_url) }}",
        1,
        "differs from reader to reader",
    ),
    ('{% macro m(x) %}\n{{ x == "y" }}{% endmacro %}{{ m(unsubscribe_url) }}', 2, "differs from reader to reader"),
    ("{% macro m(x) %}{{ x | length }}{% endmacro %}{{ m(recipient.name) }}", 1, "differs from reader to reader"),
    ("{% macro m(x) %}{% for y in x %}{% endfor %}{% endmacro %}{{ m(recipient.name) }}", 1, "differs"),
    ("{% macro m(x) %}{{ x + 1 }}{% endmacro %}{{ m(recipient.name) }}", 1, "differs from reader to reader"),
    ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(unsubscribe_url) | upper }}", None, "changes a slot"),
    ('{{ "x" | fallback("y") }}', 1, "fallback is for slots"),
]


@pytest.mark.parametrize(("text", "line", "said"), MISUSES)
def test_misuse_is_an_error_with_name_and_line(text: str, line: int | None, said: str) -> None:
    templates = TemplateSet(texts(digest__digest_txt=text))
    with pytest.raises(TemplateError) as caught:
        rendered(templates)
    assert (caught.value.name, caught.value.line) == ("digest/digest.txt", line)
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["include", "import", "extends"])
def test_misuse_is_found_in_what_a_template_uses(kind: str) -> None:
    use = {
        "include": '\n{% include "digest/part.txt" %}',
        "import": '{% from "digest/part.txt" import part %}{{ part() }}',
        "extends": '{% extends "digest/part.txt" %}',
    }[kind]
    part = "fine\n{% macro part() %}\n{% if recipient.name %}{% endif %}{% endmacro %}"
    with pytest.raises(TemplateError) as caught:
        rendered(TemplateSet(texts(digest__digest_txt=use, digest__part_txt=part)))
    assert (caught.value.name, caught.value.line) == ("digest/part.txt", 3)


def test_misuse_in_a_subject_names_the_digest() -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(subject="{% if recipient.name %}x{% endif %}")
    assert caught.value.name == "[digest.morning] subject"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Dear {{ recipient.name }},", "Dear Zoë <b> & Co,"),
        ('Dear {{ recipient.name | fallback("friend") }}s', "Dear Zoë <b> & Cos"),
        ("{{ recipient.email }}", "zoe@reader.example"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(preferences_url) }}", f"<{VALUES['preferences_url']}>"),
        ("{% macro m(x) %}{{ caller() }}{{ x }}{% endmacro %}{% call m(unsubscribe_url) %}to {% endcall %}", None),
        ("{% block foot %}{{ unsubscribe_url }}{% endblock %}", VALUES["unsubscribe_url"]),
    ],
)
def test_what_slots_are_for(text: str, filled: str | None) -> None:
    made = rendered(TemplateSet(texts(digest__digest_txt=text)))
    values = VALUES | {"recipient.name": "Zoë <b> & Co"}
    assert fill_markers(made.text, NONCE, values) == (filled or f"to {VALUES['unsubscribe_url']}") + "\n"


def test_a_reader_without_a_name_gets_the_fallback() -> None:
    text = 'A {{ recipient.name }}, {{ recipient.name | fallback("frïend <3") }}'
    made = rendered(TemplateSet(texts(digest__digest_txt=text)))
    nameless = VALUES | {"recipient.name": ""}
    assert fill_markers(made.text, NONCE, nameless, html.escape) == "A reader, frïend &lt;3\n"


def test_a_slot_refuses_everything_but_printing() -> None:
    slot: Any = Slot("recipient.name", NONCE)
    actions: list[Callable[[], Any]] = [
        lambda: bool(slot),
        lambda: slot == "x",
        lambda: slot < "x",
        lambda: len(slot),
        lambda: list(slot),
        lambda: slot + "x",
        lambda: "x" + slot,
        lambda: "x" in slot,
        lambda: hash(slot),
    ]
    for action in actions:
        with pytest.raises(SlotMisuseError):
            action()


def test_articles_cannot_forge_a_slot() -> None:
    other = marker("unsubscribe_url", "nonce0000000000000000")
    assert fill_markers(f"{other} {NONCE}", NONCE, VALUES) == f"{other} {NONCE}"


def test_altered_markers_are_noticed() -> None:
    whole = marker("recipient.name", NONCE, "x")
    assert not altered_marker(f"a{whole}b{whole}", NONCE)
    assert altered_marker(whole.upper(), NONCE)
    assert altered_marker(whole[:-1], NONCE)


@pytest.mark.parametrize(
    "nonce", ["", "short", "UPPER678901234567890", "1digit678901234567890", "has-dash901234567890"]
)
def test_a_nonce_is_letters_and_digits(nonce: str) -> None:
    with pytest.raises(UsageError):
        check_nonce(nonce)


def test_mails_before_consent_may_not_use_slots() -> None:
    problems = shipped_templates().misuse("mails/confirm.txt", "one\n{{ recipient.name }}")
    assert problems == [(2, "recipient cannot be used in this mail: nothing of a reader stands in it")]
