"""What is wrong with the database of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from syndicate.core.doctor.finding import Finding, Group, Judge

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """``missing``: a SQLite file that was not made yet. ``error``: why it cannot be used.

    ``schema`` is the revision it is at (None: none of ours), ``newest`` what this version needs. ``damage``: what was
    found in its pages, None where looking took too long or cannot be. ``free``: bytes on its disk, None where that is
    another machine's. ``unsafe``: settings of the server that can lose what was committed.
    """

    label: str
    missing: bool = False
    error: str = ""
    schema: str | None = None
    newest: str = ""
    known_schema: bool = True
    damage: tuple[str, ...] | None = None
    looked_through: bool = True
    free: int | None = None
    least_free: int = 0
    unsafe: tuple[str, ...] = ()
    version: str = ""


def judge_database(facts: DatabaseFacts) -> list[Finding]:
    """All that was found about it."""
    judge = Judge(Group.DATABASE, facts.label)
    room = list(_room(judge, facts))
    if facts.missing:
        return [judge.note("database.new", "is not there yet; the first start makes it"), *room]
    if facts.error:
        return [
            judge.error(
                "database.unusable",
                facts.error,
                "see service.database, and whether the server runs and takes this user",
            ),
            *room,
        ]
    return [*_schema(judge, facts), *_soundness(judge, facts), *room]


def _schema(judge: Judge, facts: DatabaseFacts) -> Iterator[Finding]:
    version = f"{facts.version}, " if facts.version else ""
    if facts.schema == facts.newest:
        yield judge.good("database.schema", f"answers, {version}schema {facts.schema} is current")
    elif facts.schema is None:
        yield judge.note("database.empty", f"answers, {version}and is empty; the first start fills it")
    elif not facts.known_schema:
        yield judge.error(
            "database.newer",
            f"its schema {facts.schema} is newer than this version ({facts.newest})",
            "install the newer Syndicate again",
        )
    else:
        yield judge.warning(
            "database.older",
            f"its schema {facts.schema} is older than this version's ({facts.newest})",
            "the next start brings it up; or do so now: `syndicate db upgrade`",
        )


def _soundness(judge: Judge, facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.damage:
        yield judge.error(
            "database.damaged",
            f"it is damaged: {facts.damage[0]}" + (f" (and {len(facts.damage) - 1} more)" if facts.damage[1:] else ""),
            "stop everything, copy the file away, and restore the last good backup: `syndicate restore`",
        )
    elif facts.damage is not None:
        yield judge.good("database.sound", "its pages and indexes are sound")
    elif not facts.looked_through:
        yield judge.note("database.large", "it is too large to be looked through here; nothing is known to be wrong")
    for setting in facts.unsafe:
        yield judge.error(
            "database.unsafe",
            f"{setting}: after a crash of the machine, mails may go out twice",
            "switch it on in the server's configuration (docs/operations.md)",
        )


def _room(judge: Judge, facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.free is None:
        return
    free = f"{facts.free // _MEGABYTE} MB are free on its disk"
    least = f"{facts.least_free // _MEGABYTE} MB (service.min_free_disk)"
    if facts.free < facts.least_free:
        yield judge.error("database.full", f"only {free}, less than {least}: nothing is sent or built", "make room")
    elif facts.free < 2 * facts.least_free:
        yield judge.warning("database.nearly_full", f"only {free}; at {least} sending stops", "make room")
    else:
        yield judge.good("database.room", free)
