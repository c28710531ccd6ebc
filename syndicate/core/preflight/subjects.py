"""Subjects: each issue has one that can be read whole in an inbox, and not the one of the issue before it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from syndicate.core.preflight.finding import Finding, repaired, warning
from syndicate.core.render.graphemes import display_width

# "Re:" and "Fwd:" as programs of several languages write them.
#: Columns of a subject that inboxes show on a desk; phones show some 40. Wide characters take two.
SHOWN: Final = 60
_ANSWER = re.compile(r"(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv|enc)\s*:\s", re.IGNORECASE)


def check_subject(subject: str, where: str, *, missing: bool) -> Iterator[Finding]:
    """``missing``: the template gave none, and ``subject``, with its slots empty, is what stands in for it."""
    if missing:
        yield repaired("subject-empty", f"the subject was empty; it is “{subject}” now", where)
    found = _ANSWER.match(subject)
    if found:
        yield warning("subject-reply", f"the subject begins like an answer: “{found[0].strip()}”", where)
    width = display_width(subject)
    if width > SHOWN:
        yield warning("subject-long", f"the subject is {width} columns wide, and inboxes show about {SHOWN}", where)


def repeated_subject(subject: str, previous: str | None, digest: str) -> list[Finding]:
    """What there is to say of a subject after the one of the digest's issue before (None: it is the first)."""
    if previous is None or subject.strip().casefold() != previous.strip().casefold():
        return []
    what = f"the issue before had the same subject: “{subject}”"
    return [warning("subject-repeated", what, f"digest.{digest}.subject")]
