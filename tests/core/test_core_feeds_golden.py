"""Documents that people have read and found right, byte for byte. Each folder of tests/golden is a case.

After a change that is meant: SYNDICATE_GOLDEN=write pytest this file, then read the difference.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from feed_articles import article

from syndicate.config import Settings
from syndicate.core.feeds import WRITERS, FeedDocument, Tombstone, feed_document
from syndicate.core.feeds.rules import check_document
from syndicate.model import Article, ArticleKind, Attachment, FeedFormat

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
    added: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.get("document", {}).items()
    }
    added["tombstones"] = tuple(Tombstone(**tombstone) for tombstone in added.get("tombstones", ()))
    return replace(document, **added)


def article_of(number: int, values: dict[str, Any]) -> Article:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    values["attachments"] = tuple(Attachment(**{"type": ""} | given) for given in values.get("attachments", ()))
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
    assert check_document(data, form.media_type) == []


def test_there_are_cases() -> None:
    assert len(CASES) >= 4
