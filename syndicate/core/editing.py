"""What an editor changes in a draft: subject, intro, and which articles stand where. Every change can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

MAX_SUBJECT = 1_000  # characters; the mail shows the first 150
MAX_INTRO = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """An issue's changes as they stand. Articles by id; ``intro`` is Markdown; an empty text is none.

    ``pinned`` stand at the top, then those of ``order``, each in the order given, then the others as they were chosen.
    """

    subject: str = ""
    intro: str = ""
    pinned: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    @property
    def any(self) -> bool:
        return self != Edits()

    def document(self) -> dict[str, Any]:
        """As plain values, for the ledger."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Edits:
        """From the plain values of ``document``; None are no changes."""
        if not document:
            return cls()
        lists = {name: tuple(document.get(name, ())) for name in ("pinned", "dropped", "order")}
        return cls(subject=document.get("subject", ""), intro=document.get("intro", ""), **lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One wish of an editor. None leaves a thing as it is, an empty text or order takes it away.

    ``restore``: neither pinned nor dropped nor ordered any more. ``reset``: back to how the issue was composed, first.
    """

    subject: str | None = None
    intro: str | None = None
    pin: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    restore: tuple[int, ...] = ()
    order: tuple[int, ...] | None = None
    reset: bool = False


def changed(edits: Edits, change: Change) -> Edits:
    """The changes after one more. What was pinned last stands first; pinning what was dropped brings it back."""
    now = Edits() if change.reset else edits
    if change.subject is not None:
        now = replace(now, subject=" ".join(change.subject.split()))
    if change.intro is not None:
        now = replace(now, intro=change.intro.strip())
    if change.order is not None:
        now = replace(now, order=_once(change.order))
    touched = {*change.pin, *change.drop, *change.restore}
    pinned = [each for each in now.pinned if each not in touched]
    dropped = [each for each in now.dropped if each not in touched]
    return replace(
        now,
        pinned=_once([*(each for each in change.pin if each not in change.drop), *pinned]),
        dropped=tuple(sorted({*dropped, *change.drop})),
        order=tuple(each for each in now.order if each not in change.restore),
    )


def arrange(
    edits: Edits, articles: Sequence[T], headlines: Sequence[T], id_of: Callable[[T], int]
) -> tuple[list[T], list[T]]:
    """Lay out an edition's whole articles and headlines by an editor's changes.

    There stay as many whole articles as there were while there are enough: where one was dropped, a headline moves up.
    """
    places = {each: place for place, each in enumerate(_once([*edits.pinned, *edits.order]))}
    kept = [each for each in (*articles, *headlines) if id_of(each) not in edits.dropped]
    kept.sort(key=lambda each: places.get(id_of(each), len(places)))  # stable: the others as they were chosen
    return kept[: len(articles)], kept[len(articles) :]


def _once(ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))
