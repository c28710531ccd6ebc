"""Following feeds of others at their hubs (WebSub 5 and 7, a subscriber's part): forms, questions, leases, signatures.

Pure rules. The exchanges are in ``pipeline/websub``, the rows in ``store/following.py``; our own hub is ``websub.py``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from syndicate.config import Settings
from syndicate.config.sources import FeedSource
from syndicate.config.values import is_local
from syndicate.core.internet import is_public, literal_address
from syndicate.core.websub import Mode
from syndicate.errors import UsageError

CALLBACK_PATH = "/websub"
LEASE = timedelta(days=10)  # what we ask for; the hub decides
LONGEST_LEASE = timedelta(days=30)  # after which we ask again, whatever the hub promised
SHORTEST_RENEWAL = timedelta(minutes=1)
# A hub that refuses, or never asks us back, is tried again so much later; polling goes on meanwhile.
REFUSED_FOR = timedelta(days=1)
# So long a hub may take to ask whether we meant it; hubs of today do it within seconds.
ASKED_WITHIN = timedelta(days=1)
# From one attempt to the next, of a request that failed or that the hub never asked us about.
ATTEMPTS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4))
# A feed that its hub says has changed, and that still reads as before: its server or a cache is behind its hub.
READ_AGAIN = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))
# A hub that never stops calling costs the feed's server one question in so many seconds.
CALLS_APART = timedelta(seconds=5)

_METHODS = frozenset({"sha1", "sha256", "sha384", "sha512"})  # 7.1; broken as a hash, SHA-1 still holds as an HMAC
# Names that no hub of the Internet finds: RFC 6761, RFC 6762, RFC 8375, and ICANN's for private use.
_PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa", "test", "example", "invalid")
_CHALLENGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A feed that can be followed. ``feed`` is its address as configured, ``address`` what its hubs call it."""

    feed: str
    address: str
    hubs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a hub asks or tells our callback (5.2, 5.3). ``challenge`` is empty for a denial."""

    mode: Mode
    topic: str
    challenge: str
    lease: timedelta = LEASE
    reason: str = ""


def follows(settings: Settings, source: str) -> bool:
    """Whether the feeds of a source are followed at their hubs; by default where hubs can reach us."""
    config = settings.source.get(source)
    if not isinstance(config, FeedSource):
        return False
    return config.websub if config.websub is not None else reachable(settings.service.public_url)


def reachable(public_url: str) -> bool:
    """Whether an address looks like one on the Internet; a name is not looked up."""
    host = (urlsplit(public_url).hostname or "").rstrip(".").lower()
    literal = literal_address(host)
    if literal is not None:
        return is_public(literal)
    private = any(host == name or host.endswith(f".{name}") for name in _PRIVATE_NAMES)
    return "." in host and not private and not is_local(public_url)


def callback_address(settings: Settings, token: str) -> str:
    """Where a hub calls us for one subscription. The token is all that guards it, and nobody else learns it."""
    return f"{settings.service.public_url}{CALLBACK_PATH}/{token}"


def request_form(mode: Mode, *, topic: str, callback: str, secret: str) -> bytes:
    """The body of a request to a hub (5.1). An unsubscription needs neither secret nor lease."""
    fields = {"hub.mode": mode.value, "hub.topic": topic, "hub.callback": callback}
    if mode is Mode.SUBSCRIBE:
        fields |= {"hub.secret": secret, "hub.lease_seconds": str(int(LEASE.total_seconds()))}
    return urlencode(fields).encode("ascii")


def read_question(fields: Mapping[str, str]) -> Question:
    """Read the query of a hub's GET. Raises UsageError for what is none."""
    mode, topic, challenge = (fields.get(f"hub.{name}", "") for name in ("mode", "topic", "challenge"))
    if mode not in set(Mode):
        raise UsageError("hub.mode: expected subscribe, unsubscribe or denied")
    if mode != Mode.DENIED and not (challenge and len(challenge) <= _CHALLENGE):
        raise UsageError(f"hub.challenge: expected a text of at most {_CHALLENGE} letters")
    return Question(
        mode=Mode(mode),
        topic=topic,
        challenge=challenge,
        lease=_lease(fields.get("hub.lease_seconds", "")),
        reason=fields.get("hub.reason", ""),
    )


def _lease(text: str) -> timedelta:
    """How long a hub will tell us; what says nothing sensible counts as what we asked for."""
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdecimal()):
        return LEASE
    return min(timedelta(seconds=int(digits)), LONGEST_LEASE) if len(digits) < 10 else LONGEST_LEASE  # noqa: PLR2004 - as in websub.py


def renew_after(lease: timedelta) -> timedelta:
    """When to renew a lease: after four fifths, which leaves time for several attempts before it ends."""
    return max(lease * 4 / 5, SHORTEST_RENEWAL)


class SignatureCheck:
    """Whether a message carries the X-Hub-Signature of our secret (7.1); fed piece by piece, so nothing is kept.

    A message that is not signed, or by a method we do not know, is nobody's.
    """

    def __init__(self, secret: str, header: str | None) -> None:
        method, _, self._given = (header or "").strip().partition("=")
        known = method.lower() in _METHODS
        self._computed = hmac.new(secret.encode(), digestmod=method.lower()) if known else None

    def update(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        if self._computed is not None:
            self._computed.update(piece)

    def holds(self) -> bool:
        """Whether the signature is right, compared in constant time."""
        if self._computed is None:
            return False
        given = self._given.strip().lower().encode("ascii", "replace")
        return hmac.compare_digest(self._computed.hexdigest().encode(), given)
