"""Documents that people have read and found right, byte for byte. Each folder of tests/golden is a case.

After a change that is meant: SYNDICATE_GOLDEN=write pytest this file, then read the difference.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from feed_articles import article

from syndicate.config import Settings
from syndicate.core.feeds import WRITERS, FeedDocument, feed_document
from syndicate.model import Article, ArticleKind, FeedFormat

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/articles.toml"))


def document_of(case: Path) -> FeedDocument:
    told = tomllib.loads((case / "articles.toml").read_text())
    settings = Settings.model_validate(
        {
            "site": told["site"],
            "service": {"public_url": "https://news.courier.example"},
            "feed": {"all": told["feed"]},
        }
    )
    found = [article_of(number, values) for number, values in enumerate(told.get("article", []))]
    document, problems = feed_document(settings, "all", found)
    assert not problems
    return document


def article_of(number: int, values: dict[str, Any]) -> Article:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    values["kind"] = ArticleKind(values.get("kind", "article"))
    published, edited = values.pop("published_at"), values.pop("updated_at", None)
    return article(number, published=published, edited=edited, **{"language": None} | values)


@pytest.mark.parametrize("form", FeedFormat)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, form: FeedFormat) -> None:
    path = case / form.file_name
    data = WRITERS[form](document_of(case))
    if os.environ.get("SYNDICATE_GOLDEN") == "write":
        path.write_bytes(data)
    assert data.decode() == path.read_bytes().decode()


def test_there_are_cases() -> None:
    assert len(CASES) >= 3
