"""How large the HTML part is as it is sent, and the next smaller edition of the same articles.

Gmail cuts a message at 102 KB of HTML, and with the end goes the link to unsubscribe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from syndicate.core.preflight.finding import Finding, error, repaired, warning
from syndicate.core.render.edition import EditionInput
from syndicate.core.render.slots import marker_pattern

CLIP = 102 * 1024  # bytes of HTML at which Gmail cuts, encoded as sent: the larger of the two ways to count
FITS = 96_000  # what an edition is made to fit: the rest is for names and what relays add
REFUSED = 1_000_000  # larger ones are no digest, and servers refuse them
SLOT = 200  # characters of a filled slot at most; a signed link has about 130
LIMITS = (400, 250, 140, 90)  # characters of a summary, in the order in which they are tried

_HTML_PART = b"\r\nContent-Type: text/html;"


def html_size(message: bytes, nonce: str) -> int:
    """Bytes of the HTML part of a message with slots, encoded as it is sent, the slots filled."""
    part = message.partition(_HTML_PART)[2]
    slots = marker_pattern(nonce).findall(part.decode("ascii", "replace"))
    return len(part) + sum(max(SLOT - len(slot), 0) for slot in slots)


def smaller(edition: EditionInput, size: int) -> EditionInput | None:
    """The next smaller edition after one whose HTML part has ``size`` bytes; None when there is none.

    First the summaries get shorter, then the last articles become headlines, then the last headlines are only
    counted. The first article stays. Each step takes something away, so the steps end.
    """
    limit = next((limit for limit in LIMITS if limit < edition.summary_limit and _worth(limit, edition, size)), None)
    if limit is not None:
        return replace(edition, summary_limit=limit, shortened=True)
    kept = _fewer(len(edition.articles), size)
    if len(edition.articles) > 1:
        folded = edition.articles[kept:]
        return replace(
            edition, articles=edition.articles[:kept], headlines=(*folded, *edition.headlines), shortened=True
        )
    count = len(edition.headlines)
    least = 0 if edition.articles else 1
    if count > least:
        named = max(_fewer(count, size), least) if count > 1 else least
        return replace(edition, headlines=edition.headlines[:named], more=edition.more + count - named, shortened=True)
    return None


def check_size(first: int, size: int, before: EditionInput, after: EditionInput, where: str) -> Iterator[Finding]:
    """What became of a size: ``first`` is that of the edition as it was planned, ``size`` that of the one that goes."""
    if after is not before:
        done = [f"summaries of at most {after.summary_limit} characters"]
        folded = len(before.articles) - len(after.articles)
        unnamed = after.more - before.more
        done += [f"{folded} articles as headlines"] * (folded > 0) + [f"{unnamed} only counted"] * (unnamed > 0)
        what = f"the HTML part would have had {first:,} bytes, Gmail cuts at {CLIP:,}: now {size:,}, {', '.join(done)}"
        yield repaired("shortened", what, where)
    if size > REFUSED:
        yield error("size", f"the HTML part has {size:,} bytes", where)
    elif size > CLIP:
        yield warning("size", f"the HTML part has {size:,} bytes, and Gmail cuts at {CLIP:,}", where)


def _worth(limit: int, edition: EditionInput, size: int) -> bool:
    # Twice too large: a little shorter will not do, and every try costs a rendering.
    return size < 2 * FITS or limit == LIMITS[-1] or edition.summary_limit <= LIMITS[-1]


def _fewer(count: int, size: int) -> int:
    return max(min(count - 1, count * FITS // size), 1)
