from __future__ import annotations

from mail_samples import SITE, texts

from syndicate.config import Settings
from syndicate.core.message.trial import template_problems
from syndicate.errors import Problem


def settings(**digests: dict[str, str]) -> Settings:
    return Settings.model_validate({"site": SITE.model_dump(), "digest": digests or {"morning": {}}})


def places(found: list[Problem]) -> list[tuple[str, str, str]]:
    return [(problem.where, problem.key, problem.message) for problem in found]


def test_what_is_shipped_has_no_problem() -> None:
    assert template_problems(texts(), settings(morning={}, evening={"timezone": "Asia/Tokyo"})) == []


def test_every_problem_is_named_once_with_its_place() -> None:
    broken = texts(
        digest__digest_txt="fine\n{% if recipient.name %}x{% endif %}\n{{ unsubscribe_url | upper }}",
        digest__other_html="\n\n{% endif %}",
        mails__confirm_html="{{ nonsense }}",
        digest__macros_html=texts()["digest/macros.html"].replace("article.date | date", "article.day | date"),
    )
    found = template_problems(broken, settings(morning={}, evening={"subject": "{{ top.headline }}"}))
    assert [(where, key, message[:39]) for where, key, message in places(found)] == [
        ("templates/digest/digest.txt", "line 2", "recipient can only be printed, because "),
        ("templates/digest/digest.txt", "line 3", "unsubscribe_url can only be printed, bec"[:39]),
        ("templates/digest/other.html", "line 3", "Encountered unknown tag 'endif'."),
        ("templates/digest/macros.html", "line 16", "'article object' has no attribute 'day'"),
        ("config.toml", "digest.evening.subject", "'article object' has no attribute 'headline'"[:39]),
        ("templates/mails/confirm.html", "line 1", "'nonsense' is undefined"),
    ]


def test_a_mail_without_an_unsubscribe_link_is_a_problem() -> None:
    found = template_problems(texts(digest__digest_txt="{{ top.title }}"), settings())
    assert [(p.where, p.severity) for p in found] == [("templates/digest/digest.txt", s) for s in ("error", "warning")]
    assert "put {{ unsubscribe_url }} into both templates" in found[0].message


def test_a_missing_template_and_broken_words() -> None:
    found = template_problems(texts(), settings(morning={"template": "own"}))
    assert [problem[2] for problem in places(found)] == [
        "there is no template 'digest/own.html'",
        "there is no template 'digest/own.txt'",
    ]
    found = template_problems(texts(words__xx_toml="a ="), settings())
    assert [problem[0] for problem in places(found)] == ["templates/words/xx.toml"]


def test_an_empty_page_is_found() -> None:
    found = template_problems(texts(digest__digest_html="{{ unsubscribe_url }}", mails__confirm_html=""), settings())
    assert places(found)[-1] == ("templates/mails/confirm.html", "", "renders nothing")
    assert {problem.where for problem in found[:-1]} == {"templates/digest/digest.html"}
    assert {problem.severity for problem in found[:-1]} == {"warning"}  # what is repaired when it is sent


def test_an_error_of_the_pre_flight_is_an_error_and_a_warning_is_none() -> None:
    site = SITE.model_copy(update={"postal_address": ""})
    found = template_problems(texts(), settings(morning={"subject": "[TODO]"}).model_copy(update={"site": site}))
    assert [(p.where, p.key, p.severity) for p in found] == [
        ("config.toml", "digest.morning.subject", "error"),
        ("config.toml", "site.postal_address", "warning"),
    ]


def test_broken_words_hide_no_other_fault() -> None:
    found = template_problems(
        texts(words__xx_toml="a =", words__de_toml="more = 1", digest__digest_txt="{{ nonsense }}"), settings()
    )
    assert [(where, message[:30]) for where, _, message in places(found)] == [
        ("templates/words/de.toml", 'more must be a text: more = "…'),
        ("templates/words/xx.toml", "is no valid TOML: Invalid valu"),
        ("templates/digest/digest.txt", "'nonsense' is undefined"),
    ]


def test_every_template_is_compiled_and_a_page_knows_no_slots() -> None:
    found = template_problems(
        texts(pages__own_html="{% if name %}{{ unsubscribe_url | upper }}", parts__foot_txt="{% nonsense %}"),
        settings(),
    )
    assert [(where, line) for where, line, _ in places(found)] == [
        ("templates/pages/own.html", "line 1"),
        ("templates/parts/foot.txt", "line 1"),
    ]
    assert template_problems(texts(pages__own_html="{{ unsubscribe_url | upper }}"), settings()) == []


def test_what_breaks_only_in_one_mail_for_several_digests_is_found() -> None:
    broken = texts(
        digest__digest_txt=texts()["digest/digest.txt"]
        + "\n{% block ending %}{% if joint %}{{ nothing.there }}{% endif %}{% endblock %}"
    )
    joined = {"merge": "subscriber"}
    assert template_problems(broken, settings()) == []
    (found,) = template_problems(broken, settings(morning=joined, sport={}))
    assert "'nothing' is undefined" in found.message
    assert template_problems(texts(), settings(morning=joined, sport=joined)) == []
