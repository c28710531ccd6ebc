"""What is wrong with the sources of articles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicate.core.doctor.finding import Finding, Group, Judge

_LATE = 3  # intervals without a poll


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """One source: tried now, and as its last poll left it.

    ``error``: why it cannot be read; ``found``: how many articles were seen by this try; ``broken``: what is wrong with
    some of them, as place and reason. ``pushed``: it is not read, others hand articles in. The rest is None before the
    first poll.
    """

    name: str
    pushed: bool = False
    error: str = ""
    found: int = 0
    more: bool = False
    broken: tuple[tuple[str, str], ...] = ()
    interval: timedelta | None = None
    polled_at: datetime | None = None
    last_error: str | None = None
    articles: int | None = None


def judge_sources(sources: list[SourceFacts], now: datetime) -> list[Finding]:
    """All that was found about them."""
    if not sources:
        return [
            Judge(Group.SOURCES, "sources").warning(
                "sources.none", "there is no source, so there will be no articles", "add a [source.NAME] to config.toml"
            )
        ]
    return [finding for source in sources for finding in _source(source, now)]


def _source(facts: SourceFacts, now: datetime) -> Iterator[Finding]:
    judge = Judge(Group.SOURCES, f"source {facts.name}")
    if facts.pushed:
        yield judge.good("sources.pushed", f"takes what is handed in over the API ({facts.articles or 0} articles)")
        return
    if facts.error:
        yield judge.error("sources.unreadable", facts.error, "mend it; until then the last good state stays published")
        return
    count = f"{'at least ' if facts.more else ''}{facts.found} article{'s' * (facts.found != 1)}"
    if not facts.found:
        yield judge.warning("sources.empty", "can be read, and holds no article", "see whether it is the right place")
    elif facts.broken:
        place, why = facts.broken[0]
        others = f", and {len(facts.broken) - 1} more" if facts.broken[1:] else ""
        yield judge.warning(
            "sources.broken",
            f"of {count} some cannot be taken: {place}: {why}{others}",
            "`syndicate poll` names them all",
        )
    else:
        yield judge.good("sources.readable", f"can be read, {count}")
    yield from _last_poll(judge, facts, now)


def _last_poll(judge: Judge, facts: SourceFacts, now: datetime) -> Iterator[Finding]:
    if facts.polled_at is None:
        yield judge.note(
            "sources.unpolled", "was never polled", "`syndicate poll` takes its articles in, as `run` does"
        )
        return
    ago = now - facts.polled_at
    if facts.last_error:
        yield judge.warning(
            "sources.failed", f"the last poll failed ({_ago(ago)}): {facts.last_error}", "try again: `syndicate poll`"
        )
    elif facts.interval is not None and ago > _LATE * facts.interval + timedelta(minutes=1):
        yield judge.warning("sources.late", f"was polled last {_ago(ago)}", "is `syndicate run` running?")
    else:
        yield judge.good("sources.polled", f"was polled {_ago(ago)}")


def _ago(time: timedelta) -> str:
    seconds = max(0, round(time.total_seconds()))
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {word}{'s' * (number != 1)} ago"
    return "just now"
