"""Languages kept apart: nobody is left without articles, and no article without readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syndicate.config.sections import Digest
from syndicate.core.reads import EVERY_LANGUAGE, Reads, reads, same_language

TAGS = st.sampled_from(["", "en", "en-GB", "en-US", "cy", "fr", "pt", "pt-BR", "pt-PT", "zh-Hans", "zh-Hant-TW"])
CHOICES = st.sampled_from([(), ("en", "cy"), ("cy", "en-GB", "pt-BR"), ("pt-BR", "pt-PT"), ("zh-Hans", "zh-Hant")])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("cy", "cy"),
        ("CY", "cy"),
        ("cy-GB", "cy"),
        ("", "en-GB"),  # none chosen: the site's
        ("fr", "en-GB"),  # not on offer: the site's, too
        ("en", "en-GB"),
        ("pt", "pt-BR"),
        ("pt-PT", "en-GB"),  # another Portuguese than the one on offer
    ],
)
def test_a_reader_gets_the_nearest_language_on_offer(own: str, expected: str) -> None:
    assert reads(("cy", "en-GB", "pt-BR"), own, "en").language == expected


def test_without_the_sites_language_on_offer_the_first_stands_in() -> None:
    assert reads(("fr", "de"), "", "en").language == "fr"


def test_the_exact_tag_wins_over_a_near_one() -> None:
    assert reads(("pt-BR", "pt-PT"), "pt-PT", "en") == Reads("pt-PT", ("pt-BR",))


def test_articles_in_a_language_that_is_no_choice_go_to_everybody() -> None:
    welsh = reads(("en", "cy"), "cy", "en")
    assert [tag for tag in ("", "fr", "cy", "cy-GB", "en", "en-GB") if welsh.takes(tag)] == ["", "fr", "cy", "cy-GB"]


@given(CHOICES, TAGS, TAGS)
def test_a_reader_gets_what_is_in_their_language(choice: tuple[str, ...], own: str, article: str) -> None:
    if own in choice and same_language(own, article):
        assert reads(choice, own, "en").takes(article)


@given(CHOICES, TAGS)
def test_every_article_is_for_the_readers_of_at_least_one_language(choice: tuple[str, ...], article: str) -> None:
    assert not choice or any(reads(choice, own, "en").takes(article) for own in choice)


@given(CHOICES, TAGS, TAGS)
def test_what_one_is_denied_another_choice_would_give(choice: tuple[str, ...], own: str, article: str) -> None:
    mine = reads(choice, own, "en")
    if not mine.takes(article):
        assert not same_language(mine.language, article)
        assert any(reads(choice, other, "en").takes(article) for other in mine.others)


@given(TAGS, TAGS)
def test_without_a_choice_everybody_gets_everything(own: str, article: str) -> None:
    assert reads((), own, "en") is EVERY_LANGUAGE
    assert EVERY_LANGUAGE.takes(article)


@pytest.mark.parametrize("choice", [["en"], ["en", "EN"], ["en", "en-GB"], ["pt-BR", "pt"], ["en", "Welsh!"]])
def test_a_choice_that_is_none_is_refused(choice: list[str]) -> None:
    with pytest.raises(ValidationError, match="language"):
        Digest.model_validate({"language_choice": choice})


def test_a_choice_of_neighbours_is_one() -> None:
    assert Digest(language_choice=("pt-BR", "pt-PT", "ptx")).language_choice == ("pt-BR", "pt-PT", "ptx")
