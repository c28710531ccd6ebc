"""WebSub (W3C Recommendation of 2018-01-23): hubs and topics of our feeds, requests to our hub, what it sends.

Pure rules. The exchanges are in ``pipeline/websub``, the network in ``io/guard.py``, the rows in ``store``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import SplitResult, urlencode, urlsplit

from syndicate.config import Settings
from syndicate.core.internet import is_public, is_within, literal_address, port_allowed
from syndicate.errors import UsageError
from syndicate.model import FeedFormat

SELF = "self"
HUB_PATH = "/hub"

SHORTEST_LEASE = timedelta(minutes=5)
USUAL_LEASE = timedelta(days=10)
LONGEST_LEASE = timedelta(days=30)
_SECRET_BYTES = 200  # "less than 200 bytes in length" (5.1)
_ADDRESS_LETTERS = 2000
_MEDIA_TYPES = {form.file_name: form.media_type for form in FeedFormat}

# Hubs hear of a change within a second of its commit: at most 0.5 s until a process looks for changes, then 0.3 s of
# waiting, since a hub fetches a topic the moment it hears of it and each process that serves feeds looks every 0.25 s.
CHANGES_EVERY = timedelta(milliseconds=500)
PING_AFTER = timedelta(milliseconds=300)
SERVED_AFTER = timedelta(milliseconds=250)
# A subscriber or hub that fails is asked again so much later; after the last it is given up. Together about 1.5 days.
RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 12 * 3600)
)
VERIFICATION_RETRIES = (timedelta(seconds=30), timedelta(minutes=5))
_JITTER = 0.1


class Mode(StrEnum):
    """What a subscriber wants, or is told (5.1, 5.2)."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """A request to our hub as it was read: nothing in it is verified yet."""

    mode: Mode
    topic: str
    callback: str
    host: str
    lease: timedelta
    secret: str | None = None


def hub_address(settings: Settings) -> str:
    """Where our own hub is."""
    return settings.service.public_url + HUB_PATH


def hub_addresses(settings: Settings, feed_name: str) -> tuple[str, ...]:
    """The hubs of a feed, each once, as its documents and headers name them; none for a feed that is not configured."""
    feed = settings.feed.get(feed_name)
    if feed is None or feed.hub is None:
        return ()
    named = (feed.hub,) if isinstance(feed.hub, str) else feed.hub
    return tuple(dict.fromkeys(hub_address(settings) if hub == SELF else hub for hub in named))


def topic_path(settings: Settings, topic: str) -> str | None:
    """The path under ``feeds/`` of a document whose address this is, letter for letter; None for any other address."""
    prefix = f"{settings.service.public_url}/feeds/"
    path = topic.removeprefix(prefix)
    if path == topic or any(part in {"", ".", ".."} for part in path.split("/")) or set(path) & set("?#\\"):
        return None
    return path


def hubs_of_topic(settings: Settings, topic: str) -> tuple[str, ...]:
    """The hubs that distribute a document; none for what is no document of a configured feed."""
    path = topic_path(settings, topic)
    return hub_addresses(settings, path.partition("/")[0]) if path else ()


def is_ours(settings: Settings, topic: str) -> bool:
    """Whether our own hub distributes this topic."""
    return hub_address(settings) in hubs_of_topic(settings, topic)


def outside_hubs(settings: Settings) -> tuple[str, ...]:
    """All configured hubs but our own."""
    found = {hub for name in settings.feed for hub in hub_addresses(settings, name)}
    return tuple(sorted(found - {hub_address(settings)}))


def read_request(settings: Settings, fields: Mapping[str, str]) -> HubRequest:
    """Read the form of a request to our hub (5.1). Raises UsageError that says what is wrong, for the subscriber."""
    mode = fields.get("hub.mode", "")
    if mode not in {Mode.SUBSCRIBE, Mode.UNSUBSCRIBE}:
        raise UsageError('hub.mode: expected "subscribe" or "unsubscribe"')
    topic = fields.get("hub.topic", "")
    if not is_ours(settings, topic):
        raise UsageError(
            "hub.topic: this hub distributes only the feeds of this site, by the address of their rel=self"
        )
    callback = fields.get("hub.callback", "")
    host = _callback_host(settings, callback)
    secret = fields.get("hub.secret") or None
    if secret is not None and len(secret.encode(errors="surrogatepass")) >= _SECRET_BYTES:
        raise UsageError(f"hub.secret: expected less than {_SECRET_BYTES} bytes")
    if secret is not None and not secret.isprintable():
        raise UsageError("hub.secret: expected no control characters")
    return HubRequest(
        mode=Mode(mode),
        topic=topic,
        callback=callback,
        host=host,
        lease=_lease(fields.get("hub.lease_seconds", "")),
        secret=secret,
    )


def _lease(text: str) -> timedelta:
    """The lease that is granted: what was asked for within our bounds; the usual one where nothing was (5.1)."""
    if not text:
        return USUAL_LEASE
    if not (text.isascii() and text.isdecimal()):
        raise UsageError("hub.lease_seconds: expected a whole number of seconds")
    digits = text.lstrip("0")
    if not digits:
        return USUAL_LEASE
    # More digits than any year has seconds: int() would refuse thousands of them.
    seconds = timedelta(seconds=int(digits)) if len(digits) < 10 else LONGEST_LEASE  # noqa: PLR2004 - explained
    return min(max(seconds, SHORTEST_LEASE), LONGEST_LEASE)


def _callback_host(settings: Settings, callback: str) -> str:
    wrong = UsageError("hub.callback: expected an absolute http or https address of at most 2000 letters")
    if (
        len(callback) > _ADDRESS_LETTERS
        or not callback.isascii()
        or any(not "!" <= letter <= "~" for letter in callback)
    ):
        raise wrong
    try:
        parts: SplitResult = urlsplit(callback)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not host:
        raise wrong
    if parts.username is not None or parts.fragment or "\\" in callback:
        raise UsageError("hub.callback: expected an address without user name, fragment and backslash")
    literal = literal_address(host)
    trusted = literal is not None and is_within(literal, settings.service.networks)
    # A name is looked up when it is called. What an address spells can be told at once.
    if literal is not None and not trusted and not is_public(literal):
        raise UsageError("hub.callback: private addresses are not called")
    if port is not None and not port_allowed(port) and not trusted:
        raise UsageError(f"hub.callback: port {port} is not called")
    return host.rstrip(".").lower()


def question_address(callback: str, parameters: Mapping[str, str]) -> str:
    """The callback with our parameters appended to its own query (5.2, 5.3)."""
    question = urlencode(parameters)
    _, mark, own = callback.partition("?")
    if not mark:
        return f"{callback}?{question}"
    return f"{callback}{question}" if not own or own.endswith("&") else f"{callback}&{question}"


def signature(secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature for a body (7.1)."""
    return f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"


def distribution_headers(settings: Settings, topic: str, *, secret: str | None, body: bytes) -> dict[str, str]:
    """The headers of a content distribution request (7): type, hub and self links, and the signature."""
    name = topic.rpartition("/")[2]
    links = [f'<{hub}>; rel="hub"' for hub in hubs_of_topic(settings, topic)]
    headers = {
        "Content-Type": _MEDIA_TYPES.get(name, "application/octet-stream"),
        "Link": ", ".join([*links, f'<{topic}>; rel="self"']),
    }
    if headers["Content-Type"].endswith("xml"):
        headers["Content-Type"] += "; charset=utf-8"
    if secret is not None:
        headers["X-Hub-Signature"] = signature(secret, body)
    return headers


def worth_retrying(status: int) -> bool:
    """Whether a hub that answered so may take the same ping later: server errors, time-outs and too many requests."""
    return status >= 500 or status in {408, 425, 429}  # noqa: PLR2004 - classes of RFC 9110 15


def retry_after(text: str | None) -> timedelta | None:
    """A Retry-After in seconds (RFC 9110 10.2.3). A date is not taken: our delays serve as well."""
    if text is None or not (text.isascii() and text.strip().isdecimal()):
        return None
    return timedelta(seconds=int(text.strip()[:9]))


def retry_delay(
    delays: tuple[timedelta, ...], *, attempts: int, jitter: float, asked: timedelta | None = None
) -> timedelta | None:
    """How long to wait after so many failed attempts (at least 1), or None to give up.

    ``asked`` is the other side's Retry-After, kept within the longest of our delays; ``jitter`` is from 0 to 1.
    """
    if attempts < 1 or not 0.0 <= jitter <= 1.0:
        raise ValueError("attempts is at least 1, jitter from 0 to 1")
    if attempts > len(delays):
        return None
    delay = delays[attempts - 1] * (1 + _JITTER * (2 * jitter - 1))
    return max(delay, min(asked, delays[-1])) if asked is not None else delay
