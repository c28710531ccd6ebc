"""TLS and log-in: what is encrypted, whose certificate is believed, when a password leaves, and that it is never shown."""

from __future__ import annotations

import base64
import ssl
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from smtp_faults import Action, Close, FaultServer, Silence, Stage, say
from smtp_server import Authority, RecordingServer

from syndicate.config.sections import Relay
from syndicate.errors import RelayError
from syndicate.io.smtp import SmtpSender
from syndicate.io.smtp_opening import on_loopback
from syndicate.model import Envelope, OutcomeKind

PASSWORD = "harbour-lantern-42"
ENVELOPE = Envelope(
    sender="bounces@courier.example", recipient="ana@reader.example", data=b"Subject: tide\r\n\r\nLow at nine.\r\n"
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> Path:
    return authority.file(tmp_path)


def send(relay: Relay) -> OutcomeKind:
    connection = SmtpSender([relay], "mail.courier.example").connect()
    try:
        return connection.send(ENVELOPE).kind
    finally:
        connection.close()


def refused(relay: Relay) -> str:
    with pytest.raises(RelayError) as caught:
        send(relay)
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert base64.b64encode(PASSWORD.encode()).decode() not in shown
    return str(caught.value)


@pytest.mark.parametrize("tls", ["STARTTLS", "TLS"])
def test_encrypted(authority: Authority, trusted: Path, tls: Literal["STARTTLS", "TLS"]) -> None:
    with RecordingServer(tls=tls, context=authority.server()) as server:
        assert send(server.relay(tls_ca_file=trusted)) is OutcomeKind.ACCEPTED
    assert server.messages[0].encrypted


@pytest.mark.parametrize("octets", [1_000, 60_000, 3_000_000])
def test_groups_of_commands_ride_with_data_under_tls(authority: Authority, trusted: Path, octets: int) -> None:
    """TLS cuts what is written into records and takes more than the socket does: nothing may be lost or repeated."""
    bodies = [b"Subject: %d\r\n\r\n" % number + b"x" * 60 + b"\r\n" * (octets // 2) for number in range(4)]
    envelopes = [Envelope("bounces@courier.example", "ana@reader.example", body, ready=True) for body in bodies]
    with FaultServer(context=authority.server(), implicit=True) as server:
        connection = SmtpSender([server.relay(tls_type="TLS", tls_ca_file=trusted)], "mail.courier.example").connect()
        for envelope, following in zip(envelopes, [*envelopes[1:], None], strict=True):
            assert connection.send(envelope, following).kind is OutcomeKind.ACCEPTED
        connection.close()
    assert server.seen.messages == bodies
    assert server.seen.connections == 1


@pytest.mark.parametrize("stage", ["mail", "message"])
def test_a_break_under_tls(authority: Authority, trusted: Path, stage: Literal["mail", "message"]) -> None:
    """The message whose data is out is in doubt; the one that was announced with it goes by a new session."""
    first, second = (
        Envelope("b@courier.example", "ana@reader.example", b"Subject: %d\r\n\r\nx\r\n" % n) for n in (1, 2)
    )
    script: dict[Stage, Action | list[Action]] = {stage: [Close()] if stage == "message" else [say("250 ok"), Close()]}
    with FaultServer(script, context=authority.server(), implicit=True) as server:
        connection = SmtpSender([server.relay(tls_type="TLS", tls_ca_file=trusted)], "mail.courier.example").connect()
        outcomes = [connection.send(first, second).kind, connection.send(second).kind]
        connection.close()
    doubtful = OutcomeKind.IN_DOUBT if stage == "message" else OutcomeKind.ACCEPTED
    assert outcomes == [doubtful, OutcomeKind.ACCEPTED]
    assert len(server.seen.messages) == 2


def test_authority_file_beside_the_configuration(authority: Authority, trusted: Path) -> None:
    with RecordingServer(tls="TLS", context=authority.server()) as server:
        relay = server.relay(tls_ca_file=Path(trusted.name))
        SmtpSender([relay], "mail.courier.example", base=trusted.parent).connect().close()


@pytest.mark.parametrize("tls", ["STARTTLS", "TLS"])
def test_certificate_of_an_unknown_authority(authority: Authority, tls: Literal["STARTTLS", "TLS"]) -> None:
    with RecordingServer(tls=tls, context=authority.server()) as server:
        message = refused(server.relay())
        assert "its certificate is not accepted for 127.0.0.1: unable to get local issuer certificate" in message
        assert "tls_ca_file" in message
        assert send(server.relay(tls_skip_verify=True)) is OutcomeKind.ACCEPTED, "when somebody typed it"


@pytest.mark.parametrize("tls", ["STARTTLS", "TLS"])
def test_certificate_of_another_name(authority: Authority, trusted: Path, tls: Literal["STARTTLS", "TLS"]) -> None:
    with RecordingServer(tls=tls, context=authority.server("mail.other.example")) as server:
        assert "certificate is not valid for '127.0.0.1'" in refused(server.relay(tls_ca_file=trusted))
    assert not server.messages


def test_old_versions_are_refused(authority: Authority, trusted: Path) -> None:
    context = authority.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with FaultServer(context=context, implicit=True) as server:
        assert "TLS 1.2 or newer" in refused(server.relay(tls_type="TLS", tls_ca_file=trusted))


def test_stripped_starttls_is_never_skipped(trusted: Path) -> None:
    with FaultServer(features=["AUTH PLAIN"]) as server:
        message = refused(server.relay(tls_type="STARTTLS", tls_ca_file=trusted, username="courier", password=PASSWORD))
    assert "does not offer STARTTLS, and nothing is sent in the clear" in message
    assert server.seen.commands == ["EHLO mail.courier.example"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (say("454 4.7.0 TLS not available"), "454 4.7.0 TLS not available to STARTTLS"),
        (say("220 go ahead", "250 OK"), "in the clear after its answer to STARTTLS"),
        (Close(), "at STARTTLS: the server closed the connection"),
        (Silence(), "at STARTTLS: timed out"),
    ],
)
def test_starttls_goes_wrong(authority: Authority, trusted: Path, answer: Action, message: str) -> None:
    with FaultServer({"starttls": answer}, features=["STARTTLS"], context=authority.server()) as server:
        relay = server.relay(tls_type="STARTTLS", tls_ca_file=trusted, wait_timeout=timedelta(seconds=0.3))
        assert message in refused(relay)
    assert not server.seen.messages


def test_offers_in_the_clear_count_no_more_after_starttls(authority: Authority, trusted: Path) -> None:
    in_the_clear, encrypted = say("250-x", "250-STARTTLS", "250 SIZE 10"), say("250-x", "250 SIZE 1000")
    script = {"ehlo": [in_the_clear, encrypted]}
    with FaultServer(script, context=authority.server()) as server:  # type: ignore[arg-type]
        assert send(server.relay(tls_type="STARTTLS", tls_ca_file=trusted)) is OutcomeKind.ACCEPTED


def test_tls_at_a_port_that_speaks_in_the_clear(trusted: Path) -> None:
    with FaultServer() as server:
        assert "STARTTLS on ports 25 and 587" in refused(server.relay(tls_type="TLS", tls_ca_file=trusted))


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_authority_file_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content)
    with FaultServer() as server:
        message = refused(server.relay(tls_type="TLS", tls_ca_file=path))
    assert f"tls_ca_file {path} cannot be used" in message


@pytest.mark.parametrize("tls", ["none", "STARTTLS", "TLS"])
@pytest.mark.parametrize("mechanism", ["plain", "login", None])
def test_log_in(
    authority: Authority,
    trusted: Path,
    tls: Literal["none", "STARTTLS", "TLS"],
    mechanism: Literal["plain", "login"] | None,
) -> None:
    with RecordingServer(tls=tls, context=authority.server(), users={"courier": PASSWORD}) as server:
        relay = server.relay(tls_ca_file=trusted, username="courier", auth_protocol=mechanism, password=PASSWORD)
        assert send(relay) is OutcomeKind.ACCEPTED
        assert server.messages[0].login == "courier"
        wrong = server.relay(tls_ca_file=trusted, username="courier", auth_protocol=mechanism, password=PASSWORD[::-1])
        assert "535" in refused(wrong)
        assert "wants a log-in" in refused(server.relay(tls_ca_file=trusted))
        assert "wants a log-in" in refused(
            server.relay(tls_ca_file=trusted, username="courier", auth_protocol="none", password=PASSWORD)
        )


def test_only_offered_mechanisms_are_used() -> None:
    with RecordingServer(users={"courier": PASSWORD}, mechanisms=frozenset({"LOGIN"})) as server:
        assert send(server.relay(username="courier", password=PASSWORD)) is OutcomeKind.ACCEPTED
        message = refused(server.relay(username="courier", auth_protocol="plain", password=PASSWORD))
    assert "does not offer to log in by PLAIN (it offers: LOGIN); check auth_protocol" in message


def test_no_log_in_offered() -> None:
    with FaultServer() as server:
        assert "(it offers: nothing)" in refused(server.relay(username="courier", password=PASSWORD))


def test_cram_md5() -> None:
    with FaultServer(features=["AUTH CRAM-MD5"], password=PASSWORD) as server:
        assert send(server.relay(username="courier", password=PASSWORD)) is OutcomeKind.ACCEPTED
        assert send(server.relay(username="courier", password=PASSWORD, auth_protocol="cram")) is OutcomeKind.ACCEPTED
        assert "535 5.7.8 no" in refused(server.relay(username="courier", password=PASSWORD[::-1]))
    assert not any(PASSWORD in command for command in server.seen.commands)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (say(f"535 5.7.8 {PASSWORD} is not the password of courier"), "535 5.7.8 *** is not the password"),
        (say("535 5.7.8 " + base64.b64encode(f"\0courier\0{PASSWORD}".encode()).decode()), "535 5.7.8 ***"),
        (say("454 4.7.0 try later"), "454 4.7.0 try later to AUTH; check username"),
        (say("334 QUJ"), "challenge in base64"),
        (say("nonsense"), "at AUTH: not a reply"),
        (Close(), "at AUTH: the server closed the connection"),
        (Silence(), "at AUTH: timed out"),
    ],
)
def test_log_in_goes_wrong(answer: Action, message: str) -> None:
    with FaultServer({"auth": answer}, features=["AUTH PLAIN"]) as server:
        relay = server.relay(username="courier", password=PASSWORD, wait_timeout=timedelta(seconds=0.3))
        assert message in refused(relay)
    assert not server.seen.messages


def test_password_beyond_ascii_is_not_shown() -> None:
    with FaultServer(features=["AUTH PLAIN"]) as server:
        relay = server.relay(username="courier", password=f"ü{PASSWORD}")
        assert "in ASCII" in refused(relay)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_passwords_in_the_clear_stay_on_this_machine(address: str, own: bool) -> None:
    assert on_loopback(address) is own
