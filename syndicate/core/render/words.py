"""The fixed words of digests and mails in several languages: flat TOML tables read from texts, merged word by word."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TypeAlias

from syndicate.core.render.languages import direction, fallback_chain
from syndicate.errors import TemplateError

FOLDER = "words/"
PAGE_FOLDER = "pages/words/"
_BENEATH = "beneath/"
# A text, or one for each plural category of the language (CLDR), of which "other" is always there.
Word: TypeAlias = str | Mapping[str, str]
Catalogues: TypeAlias = Mapping[str, Mapping[str, Word]]
PLURALS = ("zero", "one", "two", "few", "many", "other")


def beneath(name: str) -> str | None:
    """The name under which words are kept that a publisher's own file of the same name covers; None for templates."""
    return f"{_BENEATH}{name}" if name.startswith((FOLDER, PAGE_FOLDER)) else None


def read_catalogues(texts: Mapping[str, str], where: str = FOLDER) -> dict[str, dict[str, Word]]:
    """The word tables among the texts (``words/de.toml``), by lower-case language tag. Raises TemplateError.

    ``where``: ``PAGE_FOLDER`` for the words of the pages.

    What a table lacks comes from the one beneath it, of the same language.
    """
    found: dict[str, dict[str, Word]] = {}
    for folder in (f"{_BENEATH}{where}", where):
        for name, text in texts.items():
            if name.startswith(folder) and name.endswith(".toml"):
                tag = name.removeprefix(folder).removesuffix(".toml").lower()
                found[tag] = found.get(tag, {}) | _table(name, text)
    return found


def words_for(catalogues: Catalogues, language: str | None, site_language: str | None = None) -> dict[str, Word]:
    """All words for a language: what it lacks comes from its base language, then the site's, then English.

    Two keys are added: ``language``, the tag of the nearest table there is, and ``dir``, that language's direction.
    """
    chain = [tag for tag in fallback_chain(language, site_language) if tag in catalogues]
    words: dict[str, Word] = {}
    for tag in reversed(chain):
        words.update(catalogues[tag])
    nearest = chain[0] if chain else "en"
    return {**words, "language": nearest, "dir": direction(nearest)}


def is_words(name: str) -> bool:
    """Whether a text of that name is a table of words."""
    return name.startswith((FOLDER, PAGE_FOLDER)) and name.endswith(".toml")


def _table(name: str, text: str) -> dict[str, Word]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TemplateError(f"is no valid TOML: {error}", name=name) from error
    for key, value in table.items():
        if isinstance(value, dict):
            _check_forms(key, value, name)
        elif not isinstance(value, str):
            raise TemplateError(f'{key} must be a text: {key} = "…"', name=name)
    return table


def _check_forms(key: str, forms: dict[str, object], name: str) -> None:
    wrong = [form for form, text in forms.items() if form not in PLURALS or not isinstance(text, str)]
    if wrong:
        raise TemplateError(f"{key}.{wrong[0]} must be a text, and one of {', '.join(PLURALS)}", name=name)
    if "other" not in forms:
        raise TemplateError(f'{key} needs a form "other", which stands in for those that are not there', name=name)
