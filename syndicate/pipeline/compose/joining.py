"""Joins, in the transaction that froze several issues, what one reader has of them to one mail. Decision 30."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session

from syndicate.core.preflight import refuse
from syndicate.pipeline.compose.editions import EditionRenderer, JointPart
from syndicate.pipeline.compose.planning import PlannedEdition
from syndicate.store.joining import JointEdition, combinations, edition_keys, join


class UnrenderedError(Exception):
    """Leaves the transaction: nobody shall wait for the write lock while ``render`` makes what is missing."""

    def __init__(self, render: Callable[[], None]) -> None:
        super().__init__("editions are missing")
        self.render = render


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """An issue that this transaction made, with its editions by their keys."""

    digest: str
    period: str
    issue_id: int
    local_day: date | None
    editions: Mapping[str, PlannedEdition]


def join_frozen(
    session: Session, renderer: EditionRenderer, frozen: Sequence[Frozen], now: datetime, *, may_render: bool
) -> int:
    """Join the mails of issues that were frozen just now, in their order; returns how many.

    Raises UnrenderedError when mails are missing and may not be rendered here; TemplateError, PreflightError.
    """
    names = list(dict.fromkeys(each.digest for each in frozen))
    issues = [[each.issue_id for each in frozen if each.digest == name] for name in names]
    if len(issues) < 2:  # noqa: PLR2004 - there is nothing to join with
        return 0
    made = {
        edition_id: JointPart(
            digest=each.digest, period=each.period, edition=each.editions[key], local_day=each.local_day
        )
        for each in frozen
        for edition_id, key in edition_keys(session, each.issue_id)
    }
    mails = [(found, [made[number] for number in found.parts]) for found in combinations(session, issues)]
    missing = [parts for _, parts in mails if not renderer.has_joint(parts)]

    def render() -> None:
        for parts in missing:
            refuse(renderer.render_joint(parts, now=now).findings, parts[0].digest)

    if missing and not may_render:
        raise UnrenderedError(render)
    render()
    editions = []
    for found, parts in mails:
        mail = renderer.render_joint(parts, now=now)
        editions.append(
            JointEdition(
                combination=found,
                language=parts[0].edition.language,
                subject=mail.subject,
                message=mail.message,
            )
        )
    return join(session, issues, editions, now)
