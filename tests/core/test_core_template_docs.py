"""docs/templates.md names what templates can use: everything, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from mail_samples import NONCE, TEMPLATES, edition, shipped_templates, texts

from syndicate.config.sections import Digest
from syndicate.core.render.bounds import STEPS, TEXT
from syndicate.core.render.edition import edition_context, render_edition
from syndicate.core.render.filters import filters_for
from syndicate.core.render.templates import TemplateSet

DOCUMENT = (TEMPLATES.parent / "docs" / "templates.md").read_text()
CONTEXT = edition_context(edition(corrections=edition().articles[:1]), NONCE)
PARTS = {
    "site": CONTEXT["site"],
    "digest": CONTEXT["digest"],
    "issue": CONTEXT["issue"],
    "recipient": CONTEXT["recipient"],
    "part": CONTEXT["parts"][0],
    "section": CONTEXT["sections"][0],
    "correction": CONTEXT["corrections"][0],
}


def table(heading: str) -> list[tuple[str, str]]:
    """The rows of the first table below a heading, as (first cell, the rest)."""
    below = DOCUMENT.partition(f"{heading}\n")[2]
    rows = re.findall(r"(?m)^\| (`.+?`) \| (.*) \|$", re.split(r"(?m)^#", below)[0])
    assert rows, heading
    return rows


def names(cell: str) -> list[str]:
    return re.findall(r"`([a-z_]+)", cell)


def test_every_variable_is_documented_and_is_there() -> None:
    documented = [name for cell, _ in table("## Variables") for name in names(cell)]
    assert sorted(documented) == sorted(CONTEXT)
    said = {tuple(found) for _, text in table("## Variables") for found in re.findall(r"`(\w+)\.(\w+)`", text)}
    there = {(part, field) for part, fields in PARTS.items() for field in fields}
    assert said == there | {("words", "language"), ("words", "dir")}


def test_every_field_of_an_article_is_documented_and_is_there() -> None:
    documented = [name for cell, _ in table("### An article") for name in names(cell)]
    article = CONTEXT["articles"][0]
    assert sorted(documented) == sorted({*article, "html", "text"})
    assert all(article[name] is not NotImplemented for name in documented)


def test_every_filter_is_documented_and_is_there() -> None:
    documented = [names(cell)[0] for cell, _ in table("## Filters")]
    assert sorted(documented) == sorted(filters_for("en", ZoneInfo("UTC")))


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_every_macro_is_documented_with_its_arguments(kind: str) -> None:
    there = re.findall(r"\{% macro (\w+\([^%]*\)) %\}", (TEMPLATES / "digest" / f"macros.{kind}").read_text())
    below = DOCUMENT.partition("## Macros\n")[2]
    told, texts_told = below.split("`digest/macros.txt`")
    if kind == "html":
        documented = [cell.strip("`") for cell, _ in table("## Macros")]
    else:
        documented = re.findall(r"`(\w+\(.*?\))`", texts_told.replace("\n", " "))
    assert told
    assert sorted(documented) == sorted(there)


def test_every_block_of_the_frames_is_documented() -> None:
    told = DOCUMENT.partition("**The frame's blocks**")[2].partition("\n\n")[0]
    for frame in ("base.html", "base.txt"):
        for block in re.findall(r"\{% block (\w+)", (TEMPLATES / "digest" / frame).read_text()):
            assert f"`{block}`" in told, (frame, block)


def test_the_limits_are_those_of_the_program() -> None:
    assert f"{STEPS:,} steps" in DOCUMENT
    assert f"{TEXT:,}" in DOCUMENT


def test_the_looks_are_those_that_are_shipped() -> None:
    looks = {path.stem for path in (TEMPLATES / "digest").glob("*.html")} - {"base", "macros"}
    assert {names(cell)[0].replace("plain", "plain-letter") for cell, _ in table("# Templates")} == looks


def test_the_example_works() -> None:
    example = re.findall(r"(?m)(?:^    .*\n|^\n)+", DOCUMENT.partition("## Your own")[2])
    page = next(text for text in example if "extends" in text).replace("\n    ", "\n").strip()
    made = render_edition(
        TemplateSet(texts(digest__evening_html=page, digest__evening_txt="{% extends 'digest/base.txt' %}")),
        edition(digest=Digest(template="evening")),
        NONCE,
    )
    assert "Correction: beds at the winter shelter" in made.html
    assert "More headlines" in made.html


def test_one_file_of_ones_own_changes_that_file_only(tmp_path: Path) -> None:
    own = "{% extends 'digest/base.html' %}{% block articles %}{% for one in articles %}<p>{{ one.title }}</p>{% endfor %}{% endblock %}"
    brief = render_edition(TemplateSet(texts(digest__brief_html=own)), edition(digest=Digest(template="brief")), NONCE)
    assert "<p>A note without an address</p>" in brief.html
    assert "Unsubscribe" in brief.html  # the frame is the shipped one
    other = render_edition(TemplateSet(texts(digest__brief_html=own)), edition(), NONCE)
    assert other.html == render_edition(shipped_templates(), edition(), NONCE).html
