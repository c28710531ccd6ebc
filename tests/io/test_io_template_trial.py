"""Templates of strangers: those that never end, fill the memory or read a file are refused, with the line that does it."""

from __future__ import annotations

import pytest
from mail_samples import SITE, texts

from syndicate.config import Settings
from syndicate.core.message.trial import template_problems
from syndicate.io.template_trial import try_templates

SETTINGS = Settings.model_validate({"site": SITE.model_dump(), "digest": {"morning": {}}})
EVIL = [
    (
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        1,
        "takes more than 500,000 steps",
    ),
    (
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        1,
        "takes more than 500,000 steps",
    ),
    (
        "{% set ns = namespace(x='ab') %}\n{% for _ in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        2,
        "makes a text of more than",
    ),
    ("\n{{ 'a' * 999999999 }}", 2, "makes a text of more than"),
    ("{{ [1] * 999999999 }}", 1, "makes a text of more than"),
    ("{{ 10 ** 100000000 }}", 1, "to a power above 1,000"),
    ("{% for a in range(9999) %}{{ 'abcdefghij' * 100 }}{% endfor %}", None, "makes more than 5,000,000 characters"),
    ("\n{{ 'a' | center(99999999999) }}", 2, "takes more memory than it may"),
    ("\n{{ top.title.ljust(9999999999) }}", 2, "takes more memory than it may"),
    ("{% for a in range(99999) %}{% set x = ('a' * 100000) | upper | title %}{% endfor %}", 1, "takes longer than 2 s"),
    ("\n{% include '/etc/passwd' %}", 2, "there is no template '/etc/passwd'"),
    ("\n{% include '../../config.toml' %}", 2, "there is no template '../../config.toml'"),
    ("{{ ''.__class__.__mro__ }}", 1, "unsafe"),
    ("{{ recipient.name.__init__.__globals__ }}", 1, "can only be printed"),
]


@pytest.mark.parametrize(("template", "line", "said"), EVIL)
def test_what_would_never_end_is_refused(template: str, line: int | None, said: str) -> None:
    seconds = 2 if "longer" in said else 60
    found = try_templates(texts(digest__digest_txt=template), SETTINGS, seconds=seconds)
    first = found[0]
    assert (first.where, first.severity) == ("templates/digest/digest.txt", "error")
    assert first.key == (f"line {line}" if line else "")
    assert said in first.message


def test_a_process_of_its_own_finds_what_is_found_here() -> None:
    assert try_templates(texts(), SETTINGS) == []
    broken = texts(digest__digest_txt="{{ nonsense }}", words__xx_toml="a =")
    assert try_templates(broken, SETTINGS) == template_problems(broken, SETTINGS) != []


def test_a_process_that_dies_is_told() -> None:
    found = try_templates(texts(), SETTINGS, memory=1)
    assert [problem.where for problem in found] == ["templates"]
    assert "could not be tried" in found[0].message
