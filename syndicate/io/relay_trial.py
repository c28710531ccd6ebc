"""Holds a session with a relay without sending anything: how far it comes, and what the relay offers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syndicate.config.sections import Relay
from syndicate.core.doctor.relay import RelayFacts
from syndicate.core.replies import MalformedReplyError
from syndicate.errors import RelayError
from syndicate.io.certificates import certificate_of
from syndicate.io.smtp_opening import cause_of, on_loopback, open_session, tls_context
from syndicate.io.smtp_session import Session

_OK = 250
_PATIENCE = timedelta(seconds=8)


def try_relay(
    relay: Relay, hello: str | None, *, base: Path, sender: str, patience: timedelta = _PATIENCE
) -> RelayFacts:
    """Connect, encrypt, log in, name ``sender`` as the envelope sender, take it back and leave."""
    quick = relay.model_copy(
        update={
            "connect_timeout": min(relay.connect_timeout, patience),
            "wait_timeout": min(relay.wait_timeout, patience),
        }
    )
    try:
        session = open_session(quick, tls_context(quick, base), quick.hello_hostname or hello)
    except RelayError as error:
        return _failed(quick, error, base, hello)
    try:
        refused = _refusal(session, sender)
        secured = session.secured
        return RelayFacts(
            label=relay.label,
            version=secured.version() if secured else None,
            certificate=certificate_of(secured) if secured else None,
            offers={name.upper(): value for name, value in session.esmtp_features.items()},
            logged_in=relay.username is not None and relay.auth_protocol != "none",
            sender=sender,
            refused_sender=refused,
            local=on_loopback(session.peer),
            unverified=relay.tls_skip_verify and relay.tls_type != "none",
        )
    except (OSError, MalformedReplyError) as error:
        return RelayFacts(label=relay.label, error=f"the session broke: {cause_of(error)}; look at the relay's own log")
    finally:
        session.end(politely=True)


def _refusal(session: Session, sender: str) -> str:
    """What the relay says to the envelope sender, "" when it takes it."""
    if not sender:
        return ""
    reply = session.now(session.exchange(f"MAIL FROM:<{sender}>\r\n".encode()))
    if reply.code != _OK:
        return f"{reply.code} {reply.text}".strip()
    session.now(session.exchange(b"RSET\r\n"))
    return ""


def _failed(relay: Relay, error: RelayError, base: Path, hello: str | None) -> RelayFacts:
    """Where only the certificate was not accepted, look at it: nothing is sent, and nobody logs in."""
    facts = RelayFacts(label=relay.label, error=str(error))
    if relay.tls_type == "none" or relay.tls_skip_verify or "certificate" not in str(error):
        return facts
    open_door = relay.model_copy(update={"tls_skip_verify": True, "username": None, "password": None})
    try:
        session = open_session(open_door, tls_context(open_door, base), open_door.hello_hostname or hello)
    except RelayError:
        return facts
    try:
        shown = certificate_of(session.secured) if session.secured else None
        return RelayFacts(label=relay.label, error=str(error), certificate=shown)
    finally:
        session.end(politely=True)
