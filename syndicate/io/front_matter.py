"""Splits a file into front matter and body: YAML between "---", TOML between "+++", JSON in braces; exact about faults.

What the fields mean is decided in ``core/article``.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from syndicate.core.article.text import clean_text
from syndicate.errors import ArticleError

MAX_FRONT_MATTER = 64 * 1024  # characters
MAX_DEPTH = 20
_HANDLER = YAMLHandler()  # its loader is libyaml's safe one: 20 times faster than the one in Python
_TOML = re.compile(r"\+{3,}[ \t]*\n")
_TOML_END = re.compile(r"^\+{3,}[ \t]*$", re.MULTILINE)
# A key of so many parts costs tomllib the square of their number, in memory too.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){20}""")
_JSON = re.compile(r"\{\s*(?:\"[^\"\n]*\"\s*:|\}\s*\n)")
_FIELD_LINE = re.compile(r"[ \t#]|- |[^\s:=][^:=]*[:=]|[\]}]")  # what a line of front matter may look like
_REFERENCE = re.compile(r"(?:^|[\s\[{,:-])[&*][^\s,\[\]{}]", re.MULTILINE)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Give the fields and the body of a file; a file without front matter has no fields.

    Raises ArticleError with the line where it can be told. YAML aliases are refused: nested, a few lines of them unfold
    to gigabytes, and no article needs one.
    """
    text = clean_text(text)  # YAML refuses whole files for one control character
    if _HANDLER.detect(text):
        return _split_yaml(text)
    if _TOML.match(text):
        return _split_toml(text)
    if _JSON.match(text):
        return _split_json(text)
    return {}, text


def _split_yaml(text: str) -> tuple[dict[str, Any], str]:
    head = text[: MAX_FRONT_MATTER + 1000]
    try:
        front, _rest = _HANDLER.split(head)
    except ValueError as error:
        raise _endless(text, 'a line "---"') from error
    _, body = _HANDLER.split(text)
    _check_size(len(front))
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


def _split_toml(text: str) -> tuple[dict[str, Any], str]:
    opening = _TOML.match(text)
    start = opening.end() if opening else 0
    closing = _TOML_END.search(text, start, MAX_FRONT_MATTER + 1000)
    if closing is None:
        raise _endless(text, 'a line "+++"')
    _check_size(closing.start() - start)
    front = text[start : closing.start()]
    if _LONG_KEY.search(front):
        raise ArticleError("its front matter is nested too deeply")
    try:
        # The line end in front makes its lines count as those of the file.
        return tomllib.loads("\n" + front), text[closing.end() :].removeprefix("\n")
    except (tomllib.TOMLDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise ArticleError(f"its front matter is no TOML: {error}") from error


def _split_json(text: str) -> tuple[dict[str, Any], str]:
    head = text[: MAX_FRONT_MATTER + 1000]
    try:
        fields, end = json.JSONDecoder().raw_decode(head)
    except json.JSONDecodeError as error:
        cut_off = len(head) < len(text) and error.msg.startswith("Unterminated")
        if cut_off or error.pos >= len(head.rstrip()) - 1:
            raise _endless(text, 'its last "}"') from error
        raise ArticleError(f"its front matter is no JSON, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ArticleError(f"its front matter is no JSON: {error}") from error
    _check_size(end)
    return fields, text[end:].lstrip()


def _endless(text: str, close: str) -> ArticleError:
    """Say that front matter has no end, and where it should have been."""
    if len(text) > MAX_FRONT_MATTER:
        close += f" within {MAX_FRONT_MATTER // 1024} KB"
    lines = text[:MAX_FRONT_MATTER].split("\n")
    other = next((n for n, line in enumerate(lines[1:], 2) if not _FIELD_LINE.match(line)), len(lines))
    return ArticleError(
        f"its front matter, begun in line 1, has no end: {close} must close it, it seems in line {other}"
    )


def _check_size(size: int) -> None:
    if size > MAX_FRONT_MATTER:
        raise ArticleError(f"its front matter has {size:,} characters; at most {MAX_FRONT_MATTER:,} are taken")


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
