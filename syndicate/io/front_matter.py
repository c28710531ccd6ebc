"""Splits a file into front matter (YAML between lines of "---") and body; exact about what is wrong there."""

from __future__ import annotations

import re
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from syndicate.core.article.text import clean_text
from syndicate.errors import ArticleError

MAX_FRONT_MATTER = 64 * 1024  # characters
MAX_DEPTH = 20
_HANDLER = YAMLHandler()  # its loader is libyaml's safe one: 20 times faster than the one in Python
_REFERENCE = re.compile(r"(?:^|[\s\[{,:-])[&*][^\s,\[\]{}]", re.MULTILINE)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Give the fields and the body of a file; a file without front matter has no fields.

    Raises ArticleError with the line where it can be told. YAML aliases are refused: nested, a few lines of them unfold
    to gigabytes, and no article needs one.
    """
    text = clean_text(text)  # YAML refuses whole files for one control character
    if not _HANDLER.detect(text):
        return {}, text
    head = text[: MAX_FRONT_MATTER + 1000]
    try:
        front, _rest = _HANDLER.split(head)
    except ValueError as error:
        much = f" within {MAX_FRONT_MATTER // 1024} KB" if len(text) > MAX_FRONT_MATTER else ""
        raise ArticleError(f'its front matter has no end: a line "---" must close it{much}') from error
    _, body = _HANDLER.split(text)
    if len(front) > MAX_FRONT_MATTER:
        raise ArticleError(f"its front matter has {len(front):,} characters; at most {MAX_FRONT_MATTER:,} are taken")
    try:
        _check_events(front)
        fields = _HANDLER.load(front)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # The mark counts from 0 and from the line of the opening "---" (the text handed over begins with its line end).
        where = f", line {mark.line + 1}" if mark else ""
        raise ArticleError(f"its front matter is no YAML{where}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ArticleError(f"its front matter is no YAML: {reason}") from error
    if fields is None:
        return {}, body
    if not isinstance(fields, dict):
        raise ArticleError('its front matter must be lines of "name: value"')
    return fields, body


def _check_events(front: str) -> None:
    """Look before building: aliases, and nests deep enough to exhaust the parser's stack."""
    if _REFERENCE.search(front) is None and front.count("[") + front.count("{") < MAX_DEPTH and not _deep(front):
        return
    depth = 0
    for event in yaml.parse(front, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ArticleError(f"its front matter uses a YAML alias (*{event.anchor}), which is not taken")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ArticleError("its front matter is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _deep(front: str) -> bool:
    # "- - - - x" nests as well.
    return re.search(r"^\s*(?:[-?:]\s+){5}|^\s{40}", front, re.MULTILINE) is not None
