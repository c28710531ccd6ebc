"""Subjects: each issue has one, and not the one of the issue before it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from syndicate.core.preflight.finding import Finding, repaired, warning

# "Re:" and "Fwd:" as programs of several languages write them.
_ANSWER = re.compile(r"(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv|enc)\s*:\s", re.IGNORECASE)


def check_subject(subject: str, where: str, *, missing: bool) -> Iterator[Finding]:
    """``missing``: the template gave none, and ``subject`` is what stands in for it."""
    if missing:
        yield repaired("subject-empty", f"the subject was empty; it is “{subject}” now", where)
    found = _ANSWER.match(subject)
    if found:
        yield warning("subject-reply", f"the subject begins like an answer: “{found[0].strip()}”", where)


def repeated_subject(subject: str, previous: str | None, digest: str) -> list[Finding]:
    """What there is to say of a subject after the one of the digest's issue before (None: it is the first)."""
    if previous is None or subject.strip().casefold() != previous.strip().casefold():
        return []
    what = f"the issue before had the same subject: “{subject}”"
    return [warning("subject-repeated", what, f"digest.{digest}.subject")]
