"""The fixed words of digests and mails in several languages: flat TOML tables read from texts, merged word by word."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from syndicate.core.render.languages import direction, fallback_chain
from syndicate.errors import TemplateError

FOLDER = "words/"
Catalogues = Mapping[str, Mapping[str, str]]


def read_catalogues(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The word tables among the texts (``words/de.toml``), by lower-case language tag. Raises TemplateError."""
    return {
        name.removeprefix(FOLDER).removesuffix(".toml").lower(): _table(name, text)
        for name, text in texts.items()
        if name.startswith(FOLDER) and name.endswith(".toml")
    }


def words_for(catalogues: Catalogues, language: str | None, site_language: str | None = None) -> dict[str, str]:
    """All words for a language: what it lacks comes from its base language, then the site's, then English.

    Two keys are added: ``language``, the tag of the nearest table there is, and ``dir``, that language's direction.
    """
    chain = [tag for tag in fallback_chain(language, site_language) if tag in catalogues]
    words: dict[str, str] = {}
    for tag in reversed(chain):
        words.update(catalogues[tag])
    nearest = chain[0] if chain else "en"
    return {**words, "language": nearest, "dir": direction(nearest)}


def _table(name: str, text: str) -> dict[str, str]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TemplateError(f"is no valid TOML: {error}", name=name) from error
    for key, value in table.items():
        if not isinstance(value, str):
            raise TemplateError(f'{key} must be a text: {key} = "…"', name=name)
    return table
