"""The JSON documents and lines that several commands share. Names are those of the contract."""

from __future__ import annotations

from typing import Any

from syndicate.model import Issue


def issue_document(issue: Issue) -> dict[str, Any]:
    """An issue as ``--json`` prints it."""
    return {
        "id": issue.id,
        "digest": issue.digest,
        "period": issue.period,
        "state": issue.state.value,
        "reason": issue.reason,
        "subject": issue.subject,
        "composed_at": issue.composed_at,
        "started_at": issue.started_at,
        "finished_at": issue.finished_at,
        "editions": issue.editions,
        "recipients": issue.recipients,
        "counts": issue.counts.as_dict(),
        "balanced": issue.balanced,
    }


def issue_sum(issue: Issue) -> str:
    """The ledger's sum in one line: ``12 = 11 accepted + 1 suppressed``."""
    parts = [
        f"{count} {'in doubt' if state == 'in_doubt' else state}"
        for state, count in issue.counts.as_dict().items()
        if count
    ]
    line = f"{issue.recipients} = {' + '.join(parts) or '0'}"
    return line if issue.balanced else f"{line}  (DOES NOT BALANCE: please report this)"


def issue_line(issue: Issue) -> str:
    """One issue in one line, for progress and results."""
    head = f"issue {issue.id}, {issue.digest} {issue.period}: {issue.state}"
    return f"{head} ({issue.reason})" if issue.reason else f"{head}; {issue_sum(issue)}"
