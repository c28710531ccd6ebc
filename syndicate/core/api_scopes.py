"""What a token of the API may do: names of scopes, what each allows, and how they are read. docs/api.md lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from syndicate.errors import UsageError

PUSH: Final = "articles:write"
SCOPES: Final[dict[str, str]] = {
    "articles:read": "list and show articles",
    PUSH: "hand in, change and withdraw articles of every push source; articles:write:NAME of one",
    "subscribers:read": "list and show readers, and whom an issue went to",
    "subscribers:write": "add readers (a confirmation mail goes out), change what they get, unsubscribe them",
    "subscribers:confirm": "declare that a reader has given consent, with its wording",
    "subscribers:erase": "erase readers",
    "suppressions:read": "list the addresses and domains never to be written to",
    "suppressions:write": "add and remove them",
    "issues:read": "list and show issues, preview digests and drafts",
    "issues:write": "edit drafts; pause, resume, cancel, resolve and retry issues",
    "issues:send": "compose issues, test and approve drafts: mail goes out",
    "status:read": "see how sources, feeds and issues stand",
    "metrics:read": 'read /metrics, where [service] metrics = "token"',
}


def read_scopes(words: Iterable[str], push_sources: Iterable[str]) -> tuple[str, ...]:
    """Check the scopes of a new token. Raises UsageError for one that does not exist."""
    sources = set(push_sources)
    found = []
    for word in words:
        source = word.removeprefix(f"{PUSH}:") if word.startswith(f"{PUSH}:") else None
        if source is not None and source not in sources:
            there = ", ".join(sorted(sources)) or "none"
            raise UsageError(f"there is no source {source!r} of type push in the configuration; there is: {there}")
        if source is None and word not in SCOPES:
            raise UsageError(f"there is no scope {word!r}; there is: {', '.join(SCOPES)}")
        found.append(word)
    if not found:
        raise UsageError(f"give the token a scope; there is: {', '.join(SCOPES)}")
    return tuple(sorted(set(found)))


def allowed(held: Sequence[str], wanted: str) -> bool:
    """Whether a token may do something that needs a scope."""
    return wanted in held


def may_push(held: Sequence[str], source: str) -> bool:
    """Whether a token may hand in articles of a source."""
    return PUSH in held or f"{PUSH}:{source}" in held


def may_push_some(held: Sequence[str]) -> bool:
    """Whether there is any source that a token may hand in articles of."""
    return any(scope == PUSH or scope.startswith(f"{PUSH}:") for scope in held)
