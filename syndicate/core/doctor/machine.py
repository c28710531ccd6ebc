"""What is wrong on the machine itself: who may read which file, and what time it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from syndicate.core.doctor.finding import Finding, Group, Judge

_OTHERS, _GROUP = 0o007, 0o077
#: How exactly a clock tells the time when it is asked directly, with the way there and back.
EXACT = timedelta(seconds=1)
_DOUBTFUL, _WRONG = timedelta(seconds=15), timedelta(minutes=5)


class Holds(Enum):
    """What a file holds, and so who may read it."""

    KEYS = "keys"
    SECRET = "a secret"  # noqa: S105 - a word for people
    READERS = "the readers' addresses"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file or folder that is there. ``mode``: its permission bits; ``usable``: this process may read it."""

    path: str
    holds: Holds
    mode: int
    usable: bool
    folder: bool = False


def judge_files(files: Sequence[FileFacts]) -> list[Finding]:
    """Who may read what."""
    findings = [finding for file in files for finding in _file(file)]
    if files and not findings:
        names = len(files)
        return [
            Judge(Group.FILES, "files").good(
                "files.private",
                f"{names} file{'s' * (names != 1)} with keys, secrets and readers: nobody else reads them",
            )
        ]
    return findings


def _file(file: FileFacts) -> Iterator[Finding]:
    judge = Judge(Group.FILES, file.path)
    close = f"chmod {'go-rwx' if file.holds is Holds.KEYS else 'o-rwx'} {file.path}"
    if not file.usable:
        yield judge.error(
            "files.unreadable",
            "it cannot be read as the user that runs this",
            "run this as the user of the service, or give the file to that user (chown)",
        )
    if file.mode & _OTHERS:
        yield judge.error(
            "files.public", f"everybody on this machine may read {file.holds.value} (mode {file.mode:04o})", close
        )
    elif file.holds is Holds.KEYS and file.mode & _GROUP:
        yield judge.warning("files.group", f"others of its group may read the keys (mode {file.mode:04o})", close)


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """How far another clock is ahead of ours. ``whose`` names it; ``exact``: to how much it tells."""

    whose: str
    ahead: timedelta
    exact: timedelta


def judge_clock(clocks: Sequence[ClockFacts]) -> list[Finding]:
    """Whether our clock is right, by those of others."""
    if not clocks:
        return [
            Judge(Group.CLOCK, "clock").note(
                "clock.alone", "no other machine told its time, so the clock could not be compared"
            )
        ]
    return [_clock(each) for each in clocks]


def _clock(other: ClockFacts) -> Finding:
    judge = Judge(Group.CLOCK, other.whose)
    off = max(timedelta(), abs(other.ahead) - other.exact)
    if off < _DOUBTFUL:
        return judge.good("clock.right", "its clock and ours agree")
    seconds = round(abs(other.ahead).total_seconds())
    told = f"our clock is {seconds} s {'behind' if other.ahead > timedelta() else 'ahead of'} that of {other.whose}"
    todo = "let NTP set the clock of this machine (timedatectl set-ntp true), and see whether the other one is right"
    if off < _WRONG:
        return judge.warning("clock.off", told, todo)
    return judge.error("clock.wrong", f"{told}: signatures, links and send times go wrong", todo)
