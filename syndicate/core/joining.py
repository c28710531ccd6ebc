"""One mail for several digests of one reader: which issues join, what the mail shows of each, when it may go. Pure.

Decision 30. The rows of the ledger are joined in ``store/joining.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from syndicate.config.sections import Digest
from syndicate.model import DeliveryState, IssueState, SubscriptionState


class HasId(Protocol):
    """What is shown once: an article."""

    @property
    def id(self) -> int:
        """Its number."""


A = TypeVar("A", bound=HasId)


@dataclass(frozen=True, slots=True)
class Shown(Generic[A]):
    """What one digest brings to a mail: whole articles, and others by their titles."""

    articles: tuple[A, ...]
    headlines: tuple[A, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One delivery of a joint mail, as it stands now. ``subscription`` is None when that is gone."""

    edition_id: int
    state: DeliveryState
    issue: IssueState
    subscription: SubscriptionState | None


def may_join(digests: Mapping[str, Digest]) -> list[str]:
    """The digests whose mails may be joined, in the order of the configuration, which is that of their parts."""
    return [name for name, digest in digests.items() if digest.merge == "subscriber"]


def each_once(parts: Sequence[Shown[A]]) -> list[Shown[A]]:
    """The parts of one mail with each article once.

    It stands in the first digest that shows it in full; where none does, in the first that names it.
    """
    in_full = {article.id for part in parts for article in part.articles}
    seen: set[int] = set()

    def fresh(articles: Iterable[A]) -> tuple[A, ...]:
        kept = []
        for article in articles:
            if article.id not in seen:
                seen.add(article.id)
                kept.append(article)
        return tuple(kept)

    return [
        Shown(fresh(part.articles), fresh(each for each in part.headlines if each.id not in in_full)) for part in parts
    ]


def alone_because(parts: Sequence[int], members: Sequence[Member]) -> str | None:
    """Why a joint mail may not go, so that each of its deliveries goes alone; None when it may.

    ``parts`` are the editions it was made of, ``members`` those of its deliveries that wait. All or each alone: what
    was rendered is never sent when one part of it may not be.
    """
    if sorted(parts) != sorted(member.edition_id for member in members):
        return "another part of the mail it would have gone with was ended, or changed since"
    if any(member.issue is not IssueState.RUNNING for member in members):
        return "another issue of the mail it would have gone with does not run"
    if any(member.subscription is not SubscriptionState.CONFIRMED for member in members):
        return "the reader left another digest of the mail it would have gone with"
    return None
