"""Notifications that Amazon's SNS sends by mail: the same JSON as by webhook, in a letter, with folded lines."""

from __future__ import annotations

import json
import re
from typing import Final

from syndicate.core.bounces.report import Returned
from syndicate.core.hooks.providers import ses

_BEGINS = re.compile(r'^\{\s*"(?:notificationType|eventType)"', re.MULTILINE)
_LONGEST: Final = 100_000


def read_notification(letter: str) -> list[Returned]:
    """What the JSON in a letter says; nothing where there is none."""
    begins = _BEGINS.search(letter)
    if begins is None:
        return []
    joined = re.sub(r"\n ?", "", letter[begins.start() :][:_LONGEST])
    try:
        found, _ = json.JSONDecoder().raw_decode(joined)
    except (ValueError, RecursionError):
        return []
    return [told.said for told in ses({"Message": json.dumps(found)})]
