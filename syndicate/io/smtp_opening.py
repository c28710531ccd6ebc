"""From nothing to a session ready for its first message: connect, encrypt, greet, log in.

Whatever fails here concerns the relay as a whole and raises RelayError: what happened, at which relay, what to look at.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from syndicate.config.sections import Relay
from syndicate.core.outcomes import Stage, relay_refusal
from syndicate.core.replies import MalformedReplyError, Reply, tidy
from syndicate.core.transaction import Offers
from syndicate.errors import RelayError
from syndicate.io.smtp_session import Session
from syndicate.io.tls import judging_context

_READY = 220
_OK = 250
_HELLO = re.compile(r"[A-Za-z0-9._-]+|\[[A-Za-z0-9.:]+\]")
_MECHANISMS = {"plain": "PLAIN", "login": "LOGIN", "cram": "CRAM-MD5"}  # in the order we choose, all being under TLS


def tls_context(relay: Relay, base: Path) -> ssl.SSLContext | None:
    """How the relay's certificate is judged; None without TLS. RelayError when ``tls_ca_file`` cannot be used."""
    if relay.tls_type == "none":
        return None
    authority = base / relay.tls_ca_file if relay.tls_ca_file else None
    try:
        return judging_context(authority, skip_verify=relay.tls_skip_verify)
    except OSError as error:
        raise RelayError(f"relay {relay.label}: tls_ca_file {authority} cannot be used: {cause_of(error)}") from error


def open_session(relay: Relay, context: ssl.SSLContext | None, hello: str | None) -> Session:
    """A session that is ready for its first message. ``hello``: the name to greet with; None: this machine's own."""
    connected = _connect(relay)
    hello = hello or own_name() or address_literal(str(connected.getsockname()[0]))
    session = Session(connected, hello=hello, wait=relay.wait_timeout.total_seconds())
    try:
        if context is not None and relay.tls_type == "TLS":
            _encrypt(session, relay, context)
        with _relay_errors(relay, "on connecting"):
            _expect(_READY, session.now(session.read_reply()), relay, Stage.CONNECT)
        _greet(session, relay)
        if context is not None and relay.tls_type == "STARTTLS":
            _start_tls(session, relay, context)
            _greet(session, relay)
        _log_in(session, relay)
    except BaseException:
        session.end(politely=False)
        raise
    session.offers = Offers.of_ehlo(session.esmtp_features)
    return session


def _connect(relay: Relay) -> socket.socket:
    try:
        connected = socket.create_connection((relay.host, relay.port), relay.connect_timeout.total_seconds())
    except (OSError, UnicodeError) as error:
        raise RelayError(
            f"relay {relay.label}: no connection to {relay.host} port {relay.port}: {cause_of(error)};"
            " check host and port, and whether it runs and may be reached from here"
        ) from error
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


@contextmanager
def _relay_errors(relay: Relay, where: str) -> Iterator[None]:
    """A broken connection or a senseless reply before the first message is a failure of the relay."""
    try:
        yield
    except (OSError, MalformedReplyError) as error:  # smtplib's own exceptions are OSErrors
        raise RelayError(
            f"relay {relay.label}: {where}: {cause_of(error)}; check host, port and tls_type, and the relay's own log"
        ) from error


def _expect(code: int, reply: Reply, relay: Relay, stage: Stage) -> None:
    if reply.code != code:
        raise relay_refusal(reply.code, reply.text, relay=relay.label, stage=stage)


def _greet(session: Session, relay: Relay) -> None:
    if not _HELLO.fullmatch(session.local_hostname):
        raise RelayError(f"relay {relay.label}: hello_hostname {session.local_hostname!r} is not the name of a machine")
    with _relay_errors(relay, "at EHLO"):
        code, text = session.ehlo()
    _expect(_OK, Reply(code, text.decode()), relay, Stage.EHLO)


def _start_tls(session: Session, relay: Relay, context: ssl.SSLContext) -> None:
    if not session.has_extn("starttls"):
        raise RelayError(
            f"relay {relay.label}: it does not offer STARTTLS, and nothing is sent in the clear; check the port, or set"
            ' tls_type to "TLS" (usually port 465) or, on a network that you trust, to "none"'
        )
    with _relay_errors(relay, "at STARTTLS"):
        _expect(_READY, session.now(session.exchange(b"STARTTLS\r\n")), relay, Stage.STARTTLS)
    _encrypt(session, relay, context)


def _encrypt(session: Session, relay: Relay, context: ssl.SSLContext) -> None:
    try:
        session.start_tls(context, relay.host, wait=relay.connect_timeout.total_seconds())
    except ssl.SSLCertVerificationError as error:
        raise RelayError(
            f"relay {relay.label}: its certificate is not accepted for {relay.host}: {error.verify_message};"
            " nothing was sent. Let the relay show a certificate for this name, or set tls_ca_file to its authority"
        ) from error
    except (OSError, ValueError) as error:
        raise RelayError(
            f"relay {relay.label}: no encrypted connection: {cause_of(error)}; TLS 1.2 or newer is needed."
            " Check the port and tls_type (STARTTLS on ports 25 and 587, TLS from the first byte on 465)"
        ) from error


def _log_in(session: Session, relay: Relay) -> None:
    if relay.username is None or relay.auth_protocol == "none":
        return
    if not (session.encrypted or on_loopback(session.peer)):
        raise RelayError(
            f"relay {relay.label}: the password was not sent, because the connection is not encrypted;"
            ' set tls_type to "STARTTLS" or "TLS"'
        )
    offered = session.esmtp_features.get("auth", "").upper().split()
    wanted = [_MECHANISMS[relay.auth_protocol]] if relay.auth_protocol else list(_MECHANISMS.values())
    mechanism = next((name for name in wanted if name in offered), None)
    if mechanism is None:
        raise RelayError(
            f"relay {relay.label}: it does not offer to log in by {', '.join(wanted)}"
            f" (it offers: {tidy(' '.join(offered)) or 'nothing'}); check auth_protocol, tls_type and the port"
        )
    _authenticate(session, relay, mechanism)


def _authenticate(session: Session, relay: Relay, mechanism: str) -> None:
    session.user = relay.username or ""
    session.password = relay.password.get_secret_value() if relay.password else ""
    try:
        if mechanism == "PLAIN":
            session.auth(mechanism, session.auth_plain)
        elif mechanism == "LOGIN":
            # Never standardised with an initial response, and there are servers that refuse one.
            session.auth(mechanism, session.auth_login, initial_response_ok=False)
        else:
            session.auth(mechanism, session.auth_cram_md5)
    except smtplib.SMTPAuthenticationError as error:
        text = error.smtp_error.decode() if isinstance(error.smtp_error, bytes) else error.smtp_error
        refusal = relay_refusal(error.smtp_code, _without_secrets(text, session), relay=relay.label, stage=Stage.AUTH)
    except (UnicodeError, binascii.Error):
        refusal = RelayError(
            f"relay {relay.label}: {mechanism} works with a user name and password in ASCII and a challenge in base64"
        )
    except (OSError, MalformedReplyError) as error:
        cause = _without_secrets(cause_of(error), session)
        refusal = RelayError(f"relay {relay.label}: at AUTH: {cause}; check auth_protocol, and the relay's own log")
    else:
        return
    raise refusal  # outside the handlers: what they caught may carry the password


def _without_secrets(text: str, session: Session) -> str:
    """There are servers that repeat in a refusal what they were told."""
    if not session.password:
        return text
    for told in (f"\0{session.user}\0{session.password}", session.password):
        text = text.replace(base64.b64encode(told.encode()).decode(), "***")
    return text.replace(session.password, "***")


def on_loopback(address: str) -> bool:
    """Whether an address is this machine's own: what is said there passes over no network."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


@cache
def own_name() -> str | None:
    """This machine's full name, if it has one. Asked once: the answer may take a look-up."""
    name = socket.getfqdn()
    return name if "." in name and not name.startswith("localhost") else None


def address_literal(address: str) -> str:
    """What a machine without a name greets with (RFC 5321 4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def cause_of(error: Exception) -> str:
    """An exception of the network in plain words, for a message."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return tidy(str(error)) or type(error).__name__
