"""Every language of the pages says everything, with the same places."""

from __future__ import annotations

import re

import pytest

from syndicate.core.render.languages import locale_of
from syndicate.core.render.words import FOLDER, PAGE_FOLDER, Word, read_catalogues
from syndicate.io.templates import read_templates
from syndicate.shipped import shipped

TEXTS = read_templates([shipped("templates")])
CATALOGUES = read_catalogues(TEXTS, PAGE_FOLDER)


def places(word: Word) -> set[str]:
    return set(re.findall(r"\{\w+\}", word if isinstance(word, str) else word["other"]))


def test_the_pages_speak_every_language_that_mails_speak() -> None:
    assert sorted(CATALOGUES) == sorted(read_catalogues(TEXTS, FOLDER))


@pytest.mark.parametrize("tag", sorted(CATALOGUES))
def test_a_language_is_complete(tag: str) -> None:
    english = CATALOGUES["en"]
    assert CATALOGUES[tag].keys() == english.keys()
    for key, word in CATALOGUES[tag].items():
        assert places(word) == places(english[key]), key
        assert isinstance(word, str) == isinstance(english[key], str), key
        if not isinstance(word, str):
            assert word.keys() == locale_of(tag).plural_form.tags | {"other"}, key


def test_every_word_is_used_and_every_used_word_is_there() -> None:
    pages = "".join(text for name, text in TEXTS.items() if name.startswith("pages/") and name.endswith(".html"))
    used = set(re.findall(r"\bwords\.(\w+)", pages)) - {"language", "dir"}
    assert used <= CATALOGUES["en"].keys()
