"""Mails as a browser shows them: every template, small and large, light and dark, both directions, without pictures.

The pictures of the pages lie in the tests' folder (``pytest --basetemp=FOLDER`` says which); people look at them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from browser import CONTRASTS, TOO_SMALL, TOO_WIDE, Browser, browser
from feed_articles import article
from mail_pages import TEMPLATES, issue, paper, write_page

from syndicate.core.render.edition import EditionInput

LOREM = "Hafenmeisterei" * 12
AXE = json.dumps({"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]})
# Where each article's text begins, and where it should: the side that its language begins at.
SIDES = """[...document.querySelectorAll(".article .title")].map(e => {
  const style = getComputedStyle(e), start = style.direction === "rtl" ? "right" : "left";
  const range = document.createRange();
  range.selectNodeContents(e);
  const text = range.getClientRects()[0], box = e.getBoundingClientRect();
  const gap = start === "right" ? box.right - text.right : text.left - box.left;
  return [e.closest("[lang]").lang, start, Math.abs(gap) < 2];
})"""
RIGHT_TO_LEFT = ("ar", "he")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def edition(template: str, language: str) -> EditionInput:
    """The sample paper; in Arabic with what is written from right to left first."""
    if language != "ar":
        return issue(template, language)
    first = [one for one in paper() if one.content.language in RIGHT_TO_LEFT]
    rest = [one for one in paper() if one not in first]
    return issue(template, language, articles=(*first, *rest[:6]), headlines=tuple(rest[6:10]))


def judge(tab: Browser, axe: str) -> None:
    assert tab.look(TOO_WIDE) == 0
    assert tab.look(CONTRASTS) == []
    assert tab.look(TOO_SMALL) == []
    for language, start, fits in tab.look(SIDES):
        assert (start == "right") == (language in RIGHT_TO_LEFT)
        assert fits, language
    tab.look(axe)
    found: list[dict[str, Any]] = tab.look(f"axe.run(document, {AXE}).then(found => found.violations)")
    assert [(fault["id"], [node["html"][:90] for node in fault["nodes"]]) for fault in found] == []


@pytest.fixture(scope="module")
def axe() -> str:
    return resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def show(tab: Browser, made: EditionInput, place: Path, *, width: int, dark: bool) -> None:
    url = write_page(made, place.with_suffix(".html"))
    tab.screen(width=width, dark=dark)
    tab.open(url)
    tab.picture(place.with_suffix(".png"))


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize(("language", "width", "dark"), [("en-GB", 320, False), ("ar", 640, True)])
def test_a_mail_fits_and_can_be_read(
    tab: Browser, axe: str, tmp_path: Path, template: str, language: str, width: int, *, dark: bool
) -> None:
    show(tab, edition(template, language), tmp_path / template, width=width, dark=dark)
    assert tab.troubles() == []
    judge(tab, axe)
    ground = tab.look("getComputedStyle(document.querySelector('.page')).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(", "))) < 384) == dark


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("language", ["en-GB", "ar", "de", "ja"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 480, 640, 1000])
def test_every_mail_fits_and_can_be_read(
    tab: Browser, axe: str, tmp_path: Path, template: str, language: str, width: int, *, dark: bool
) -> None:
    show(tab, edition(template, language), tmp_path / template, width=width, dark=dark)
    assert tab.troubles() == []
    judge(tab, axe)


@pytest.mark.parametrize("template", TEMPLATES)
def test_long_words_and_pictures_that_do_not_come_break_nothing(
    tab: Browser, axe: str, tmp_path: Path, template: str
) -> None:
    many = tuple(
        article(
            number,
            title=f"{LOREM} 👩‍👩‍👧‍👦 «מים» {LOREM}",
            summary=f"{LOREM} " * 9,
            authors=(LOREM,),
            category=f"{LOREM}{number}",
            publisher=LOREM,
            url=f"https://courier.example/{number}",
            image="https://pictures.courier.example/none.png",
            image_alt=f"A wall, and behind it the sea. {LOREM}",
        )
        for number in range(6)
    )
    show(tab, issue(template, articles=many, headlines=many), tmp_path / template, width=320, dark=False)
    judge(tab, axe)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_is_readable_where_styles_are_dropped(tab: Browser, axe: str, tmp_path: Path, template: str) -> None:
    """Some programs keep no style block: then the inlined styles are all there is, and nothing may be lost."""
    show(tab, issue(template), tmp_path / template, width=600, dark=True)
    tab.look("document.querySelectorAll('style').forEach(style => style.remove())")
    judge(tab, axe)
