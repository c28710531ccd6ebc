"""Asks the addresses that a mail links to whether they are there: few at a time, never inside private networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from syndicate.core.internet import Network
from syndicate.core.preflight.finding import Finding, warning
from syndicate.errors import FetchError
from syndicate.io.guard import Limits, fetch

MOST = 200  # addresses; a mail with more has other troubles
_AT_ONCE = 8
_SECONDS = 10.0
_FIRST_BYTES = 1_000
_GONE = 400
_NO_HEAD = frozenset({403, 404, 405, 406, 501})  # also 404: some servers know no page when they are asked by HEAD
_BUSY = frozenset({401, 402, 403, 429, 503})  # the page is there: it wants a log-in, or less haste


def dead_links(links: Sequence[str], networks: Iterable[Network] = ()) -> list[Finding]:
    """A warning for each address that gives no page, in the order of the addresses. ``networks`` may be asked, too."""
    limits = Limits(seconds=_SECONDS, body_bytes=_FIRST_BYTES, cut=True, networks=tuple(networks))
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="links") as pool:
        reasons = list(pool.map(lambda link: _reason(link, limits), links[:MOST]))
    found = zip(links[:MOST], reasons, strict=True)
    return [warning("link-dead", reason, link[:200]) for link, reason in found if reason]


def _reason(link: str, limits: Limits) -> str:
    address = link.partition("#")[0]
    try:
        status = fetch(address, method="HEAD", limits=limits).status
        if status in _NO_HEAD:
            status = fetch(address, limits=limits).status
    except FetchError as error:
        return str(error)
    return f"the server answers {status}" if status >= _GONE and status not in _BUSY else ""
